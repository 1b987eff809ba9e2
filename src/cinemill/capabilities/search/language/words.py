"""Words as they are compared: folded, without their endings, without those that say nothing.

The lists and endings are English. Words of other languages are compared as they are written.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+(?:[.,:]\d+)*(?:['’][^\W\d_]+)*%?")
_LONGEST_WORD = 64
_LEAST_STEM = 3


def make_word_set(text: str) -> frozenset[str]:
    """Return the words of a list that is written as one text."""
    return frozenset(text.split())


STOP_WORDS = make_word_set(
    """
    a about above across after again against all along also although am among an and any
    anyone anything are around as at away be became because been before being below between
    both but by can could did do does doing done down during each either else ever every few
    for from further get gets getting go goes going got had has have having he her here hers
    herself him himself his how however i if in into is it its itself just let like many may
    me might more most much must my myself near neither next no nor not now of off often on
    once one only onto or other our ours out over own per please quite rather really same
    shall she should since so some someone something still such than that the their theirs
    them themselves then there these they this those though through to together too toward
    towards under until up upon us very was we were what when where whether which while who
    whom whose why will with within without would yes yet you your yours it's that's there's
    here's what's who's he's she's i'm i've we've they're we're you're don't doesn't didn't
    isn't aren't wasn't weren't won't can't couldn't wouldn't shouldn't hasn't haven't hadn't
    """
)
NEGATIONS = make_word_set(
    """
    not no never none nobody nothing neither nor without cannot can't don't doesn't didn't
    isn't aren't wasn't weren't won't couldn't wouldn't shouldn't hasn't haven't hadn't
    """
)
REPORTING_WORDS = make_word_set(
    """
    according say says said saying state states stated mention mentions mentioned tell tells
    told show shows shown describe describes described explain explains explained report
    reports reported note notes noted announce announces announced refer refers referred video
    clip speaker narrator passage transcript screen text caption sign statement
    """
)
"""Words about the passage, not of it."""
COLOURS = make_word_set(
    """
    red green blue yellow orange purple pink brown black white grey gray beige turquoise
    violet golden silver
    """
)
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORT_DATES = {name[:3]: name for name in (*MONTHS, *WEEKDAYS) if name != "may"} | {
    "sept": "september",
    "tues": "tuesday",
    "thur": "thursday",
    "thurs": "thursday",
}
# Only what endings cannot show, of verbs that are common in questions.
_IRREGULAR = {
    **dict.fromkeys(("said", "says"), "say"),
    **dict.fromkeys(("told", "tells"), "tell"),
    **dict.fromkeys(("went", "gone"), "go"),
    **dict.fromkeys(("made", "makes", "making"), "make"),
    **dict.fromkeys(("spoke", "spoken"), "speak"),
    **dict.fromkeys(("wrote", "written", "writing", "writes"), "write"),
    **dict.fromkeys(("won", "winning"), "win"),
    **dict.fromkeys(("left", "leaving", "leaves"), "leave"),
    **dict.fromkeys(("built", "builds"), "build"),
    **dict.fromkeys(("bought", "buys"), "buy"),
    **dict.fromkeys(("sold", "sells"), "sell"),
    **dict.fromkeys(("spent", "spends"), "spend"),
    **dict.fromkeys(("paid", "pays"), "pay"),
    **dict.fromkeys(("began", "begun", "beginning", "begins"), "begin"),
    **dict.fromkeys(("gave", "given", "giving", "gives"), "give"),
    **dict.fromkeys(("took", "taken", "taking", "takes"), "take"),
    **dict.fromkeys(("met", "meeting", "meets", "meetings"), "meet"),
    **dict.fromkeys(("came", "coming", "comes"), "come"),
    **dict.fromkeys(("saw", "seen", "sees"), "see"),
    **dict.fromkeys(("found", "finds", "finding"), "find"),
    **dict.fromkeys(("taught", "teaches", "teaching"), "teach"),
    **dict.fromkeys(("thought", "thinks", "thinking"), "think"),
    **dict.fromkeys(("led", "leads", "leading"), "lead"),
    **dict.fromkeys(("held", "holds", "holding"), "hold"),
    **dict.fromkeys(("kept", "keeps", "keeping"), "keep"),
    **dict.fromkeys(("lost", "loses", "losing"), "lose"),
    **dict.fromkeys(("ran", "running", "runs"), "run"),
    **dict.fromkeys(("children",), "child"),
    **dict.fromkeys(("people", "persons"), "person"),
    **dict.fromkeys(("women",), "woman"),
    **dict.fromkeys(("men",), "man"),
}


@dataclass(frozen=True, slots=True)
class TextWord:
    """A word of a text, with its place in it."""

    text: str
    """As it is written."""
    start: int
    end: int
    begins_sentence: bool

    @property
    def folded(self) -> str:
        return fold(self.text)

    @property
    def is_capitalised(self) -> bool:
        return self.text[0].isupper()


def fold(text: str) -> str:
    """Return a text as it is compared: compatible forms, lower case, no accents."""
    decomposed = unicodedata.normalize("NFKD", text.replace("’", "'").casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def list_words(text: str) -> list[TextWord]:
    """Return the words of a text in order; a word is cut after 64 characters."""
    words: list[TextWord] = []
    at = 0
    for match in _WORD.finditer(text):
        gap = text[at : match.start()]
        begins = not words or any(mark in gap for mark in '.!?…:\n"“')
        words.append(TextWord(match[0][:_LONGEST_WORD], *match.span(), begins))
        at = match.end()
    return words


def find_stem(word: str) -> str:
    """Return a word without its English ending, folded: ``negotiations`` → ``negotiat``.

    A stem is for comparing only, and often no word.
    """
    folded = fold(word).strip("'")
    folded = folded.removesuffix("'s")
    if folded in _SHORT_DATES:
        return _strip(_SHORT_DATES[folded])
    if folded in _IRREGULAR:
        return _strip(_IRREGULAR[folded])
    return _strip(folded)


_ENDINGS: Sequence[tuple[tuple[str, ...], int, str]] = (
    (("ations", "ation", "ments", "ment", "ions", "ion", "ers", "ors"), 4, ""),
    (("ings", "ing"), 3, ""),
    (("ies", "ied"), 2, "i"),
    (("ed", "er", "or", "es", "ly"), 3, ""),
)
"""Endings, the least number of letters before them, and what takes their place."""


def _strip(word: str) -> str:
    if not word.isalpha() or len(word) <= _LEAST_STEM:
        return word
    for endings, least, replacement in _ENDINGS:
        for ending in endings:
            if word.endswith(ending) and len(word) - len(ending) >= least:
                return _finish(word.removesuffix(ending) + replacement)
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return _finish(word)


def _finish(stem: str) -> str:
    """Return a stem without the letters that differ between forms: planned, planning, plan."""
    if len(stem) > _LEAST_STEM and stem[-1] == stem[-2] and stem[-1] not in "aeiouls":
        stem = stem[:-1]
    if len(stem) > _LEAST_STEM and stem.endswith("e"):
        stem = stem[:-1]
    if len(stem) > _LEAST_STEM + 2 and stem.endswith("at"):
        stem = stem[:-2]
    return stem[:-1] + "i" if stem.endswith("y") else stem


def list_stems(text: str) -> list[str]:
    """Return the stems of the words that say something, in order."""
    return [find_stem(word.text) for word in list_words(text) if word.folded not in STOP_WORDS]


def find_names(text: str) -> list[str]:
    """Return runs of capitalised words: ``Alice Walker``, ``Harbor Bank``.

    The first word of a sentence counts only where another capitalised word follows it, or it is
    capitalised within the text as well. A run ends at a mark between its words.
    """
    words = list_words(text)
    inner = {word.text for word in words if not word.begins_sentence}
    names: list[str] = []
    run: list[TextWord] = []
    for word in [*words, None]:
        if word is not None and _continues(run, word, text):
            run.append(word)
            continue
        names += _finish_run(run, text, inner)
        run = [word] if word is not None and _may_be_name(word) else []
    return list(dict.fromkeys(names))


def _may_be_name(word: TextWord) -> bool:
    return word.is_capitalised and (word.folded not in STOP_WORDS)


def _continues(run: list[TextWord], word: TextWord, text: str) -> bool:
    return bool(run) and _may_be_name(word) and text[run[-1].end : word.start].strip() in ("", "-")


def _finish_run(run: list[TextWord], text: str, inner: set[str]) -> Iterable[str]:
    if not run:
        return ()
    if len(run) == 1 and run[0].begins_sentence and run[0].text not in inner:
        return ()
    name = text[run[0].start : run[-1].end]
    return (name.removesuffix("'s").removesuffix("’s"),)
