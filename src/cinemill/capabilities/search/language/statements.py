"""What two sentences may state differently: names, counts, order, denial; and what is left of them.

English only, by words and their order; nothing is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import pairwise

from cinemill.capabilities.search.language.numbers import list_numbers
from cinemill.capabilities.search.language.words import (
    NEGATIONS,
    STOP_WORDS,
    find_names,
    find_stem,
    list_words,
    make_word_set,
)

_DENIALS = NEGATIONS | make_word_set(
    """
    refuse refuses refused reject rejects rejected decline declines declined deny denies denied
    """
)
_STILLNESS = make_word_set("remain remains remained stay stays stayed")
"""Deeds that say that nothing else happened."""
_RELATING_WORDS = make_word_set("of to for about between")
"""After a noun, they say that it is a relation: "the owner of", "an end to"."""
_TURNED_DOWN = re.compile(r"\bturn(?:s|ed)? \w* ?down\b")
_COMMA = re.compile(r"[,;:–—]+\s")
_BREAK = re.compile(r"[,;:.?!–—]")
_LONGEST_THING = 3
_ARTICLES = make_word_set("a an the of")
_RELATIONS = make_word_set("to from by of for with against at in on and or according")


def is_denied(text: str) -> bool:
    """Return whether a sentence says that something is not so, or did not happen."""
    is_turned_down = bool(_TURNED_DOWN.search(text.lower()))
    return (
        is_turned_down
        or keeps_still(text)
        or any(word.folded in _DENIALS for word in list_words(text))
    )


def keeps_still(text: str) -> bool:
    """Return whether a sentence says "stay" or "remain"."""
    return any(word.folded in _STILLNESS for word in list_words(text))


def keep_parts(text: str, stems: Collection[str]) -> str:
    """Return the parts of a sentence between commas that have one of these stems; else all of it.

    Speech models join sentences: "Please stay with us, Julia Parker is a pilot."
    """
    parts = (
        part
        for part in _COMMA.split(text)
        if any(find_stem(word.text) in stems for word in list_words(part))
    )
    return ", ".join(parts) or text


def find_things(text: str) -> set[str]:
    """Return the stems of the words that follow an article, a number among them, up to three.

    Nouns that only relate something to another thing are none: "the owner of the ferry".
    """
    words = list_words(text)
    things: set[str] = set()
    for at, word in enumerate(words):
        if word.folded not in _ARTICLES and not list_numbers(word.text):
            continue
        phrase: list[str] = []
        after = ""
        for before, following in pairwise(words[at : at + 5]):
            after = following.folded
            is_apart = bool(_BREAK.search(text[before.end : following.start]))
            if is_apart or after in STOP_WORDS or len(phrase) == _LONGEST_THING:
                break
            phrase.append(find_stem(following.text))
        if after not in _RELATING_WORDS:
            things.update(phrase)
    return things


def make_frame(text: str, shared: Collection[str]) -> str:
    """Return a text whose names are "someone" and whose shared words are "it"."""
    framed = text
    for name in sorted(find_names(text), key=len, reverse=True):
        framed = re.sub(rf"\b{re.escape(name)}\b", "someone", framed)
    words: list[str] = []
    for word in list_words(framed):
        if word.folded != "someone" and find_stem(word.text) in shared:
            while words and words[-1] in ("the", "a", "an"):
                words.pop()
            if words[-1:] != ["it"]:
                words.append("it")
        else:
            words.append(word.folded)
    return " ".join(words)


def find_counts(text: str) -> dict[str, str]:
    """Return the number before each word that has one, by its stem; "one" is a number here."""
    words = list_words(text)
    counts: dict[str, str] = {}
    for first, second in pairwise(words):
        numbers = ["1"] if first.folded == "one" else list_numbers(first.text)
        if numbers and second.folded not in STOP_WORDS:
            counts[find_stem(second.text)] = numbers[0]
    return counts


def list_pairs(text: str) -> list[tuple[str, str]]:
    """Return the stems of words that stand next to each other, both capitalised or neither."""
    words = list_words(text)
    return [
        (find_stem(first.text), find_stem(second.text))
        for first, second in pairwise(words)
        if first.folded not in STOP_WORDS
        and second.folded not in STOP_WORDS
        and first.is_capitalised == second.is_capitalised
        and not text[first.end : second.start].strip(" -")
    ]


def find_relations(text: str) -> dict[str, str]:
    """Return the preposition before each capitalised word that has one, by its stem."""
    words = list_words(text)
    return {
        find_stem(second.text): first.folded
        for first, second in pairwise(words)
        if first.folded in _RELATIONS and second.is_capitalised
    }
