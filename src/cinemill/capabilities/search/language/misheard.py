"""Names of a question that a sentence has in another form, since a speech model misheard them.

A name that was misheard sounds like the one that was said; and where the model was unsure of what
it heard next to the rest of the name, it may have been anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from cinemill.capabilities.search.language.numbers import list_numbers
from cinemill.capabilities.search.language.words import (
    STOP_WORDS,
    TextWord,
    find_stem,
    fold,
    list_words,
)
from cinemill.core.text.sounds import compare_sounds

LEAST_ALIKE = 0.65
LEAST_ALIKE_UNSURE = 0.5
"""Where the model was unsure of a word."""
LEAST_ALIKE_NEXT = 0.1
"""Where it was, and the rest of the name is right before or after."""
MOST_MORE_WORDS = 2
"""Of what was heard, more than the name has: "Pioneer" and "I'm here"."""
MOST_WORDS = 40
"""Of a sentence that are compared; it has fewer."""
MOST_RUNS, LONGEST_RUN = 12, 4
"""Names of a question that are looked for, and their words. It has fewer: this bounds the time."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Words of a question that follow each other and are not in the sentence."""

    words: Sequence[TextWord]
    before: str
    after: str
    """Stems of what stands next to them in the question and is said; empty where that is not."""

    @property
    def text(self) -> str:
        return " ".join(word.folded for word in self.words)


def find_misheard(
    question: str,
    sentence: str,
    *,
    wanted: Collection[str],
    said: Collection[str],
    unsure_words: Sequence[str],
) -> set[str]:
    """Return the stems of those words that the sentence may have in a misheard form.

    ``wanted`` are the stems of the question's names and things, ``said`` those of its words that
    the sentence has as they are, and ``unsure_words`` what the speech model was unsure of.
    """
    words = list_words(sentence)[:MOST_WORDS]
    stems = [find_stem(word.text) for word in words]
    unsure = {word.folded for text in unsure_words for word in list_words(fold(text))}
    found: set[str] = set()
    for run in islice(_list_runs(question, wanted, said), MOST_RUNS):
        for first, end in _list_spans(words, stems, said, len(run.words) + MOST_MORE_WORDS):
            span = words[first:end]
            is_unsure = any(word.folded in unsure for word in span)
            is_next = (bool(run.before) and stems[first - 1 : first] == [run.before]) or (
                bool(run.after) and stems[end : end + 1] == [run.after]
            )
            least = LEAST_ALIKE
            if is_unsure:
                least = LEAST_ALIKE_NEXT if is_next else LEAST_ALIKE_UNSURE
            if compare_sounds(run.text, " ".join(word.folded for word in span)) >= least:
                found |= {find_stem(word.text) for word in run.words}
                break
    return found


def _list_runs(question: str, wanted: Collection[str], said: Collection[str]) -> Iterator[_Run]:
    """Yield the runs of wanted words that are not said, and each word of them alone."""
    words = list_words(question)
    stems = [find_stem(word.text) for word in words]
    is_missing = [
        stem in wanted and stem not in said and not list_numbers(word.text)
        for stem, word in zip(stems, words, strict=True)
    ]

    def find_said(at: int) -> str:
        is_inside = 0 <= at < len(stems)
        return stems[at] if is_inside and stems[at] in wanted and stems[at] in said else ""

    first = 0
    while first < len(words):
        end = first
        while end < len(words) and is_missing[end]:
            end += 1
        if first < end <= first + LONGEST_RUN:
            yield _Run(words[first:end], find_said(first - 1), find_said(end))
        if end > first + 1:
            for at in range(first, end):
                yield _Run(words[at : at + 1], find_said(at - 1), find_said(at + 1))
        first = end + 1


def _list_spans(
    words: Sequence[TextWord], stems: Sequence[str], said: Collection[str], longest: int
) -> Iterator[tuple[int, int]]:
    """Yield where words begin and end that may be something else: none of them was asked for."""
    for first in range(len(words)):
        for end in range(first + 1, min(len(words), first + longest) + 1):
            if stems[end - 1] in said:
                break
            if any(word.folded not in STOP_WORDS for word in words[first:end]):
                yield first, end
