"""Words of passages that say what they are about, and how alike passages are by them. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from cinemill.capabilities.search.language.words import STOP_WORDS, find_stem, fold, list_words

_LEAST_LETTERS = 3
_KEPT_STEMS = 50_000

_find_stem = lru_cache(maxsize=_KEPT_STEMS)(find_stem)


@dataclass(frozen=True, slots=True)
class Term:
    """A word that says something."""

    stem: str
    """What it is compared by."""
    text: str
    """As it is written."""
    begins_sentence: bool
    """Whether its first letter is a capital for this reason alone, perhaps."""


def list_terms(text: str) -> list[Term]:
    """Return the words of a text in order, without numbers and those that say nothing."""
    return [
        Term(_find_stem(word.text), word.text, word.begins_sentence)
        for word in list_words(text)
        if _says_something(word.text)
    ]


@lru_cache(maxsize=_KEPT_STEMS)
def _says_something(word: str) -> bool:
    letters = sum(map(str.isalpha, word))
    return letters >= _LEAST_LETTERS and fold(word).strip("'") not in STOP_WORDS


def compare_windows(passages: Sequence[Sequence[Term]], *, window: int) -> list[float]:
    """Return the cosine (0 to 1) of the words before and after each gap between passages.

    At most ``window`` passages are compared on each side.
    """
    counts = [Counter(term.stem for term in terms) for terms in passages]
    return [
        _compare(_sum(counts[max(0, gap - window) : gap]), _sum(counts[gap : gap + window]))
        for gap in range(1, len(counts))
    ]


def _sum(counts: Sequence[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return total


def _compare(one: Counter[str], other: Counter[str]) -> float:
    product = sum(count * other[stem] for stem, count in one.items())
    lengths = math.sqrt(_square(one) * _square(other))
    return product / lengths if lengths else 0.0


def _square(counts: Counter[str]) -> int:
    return sum(count * count for count in counts.values())
