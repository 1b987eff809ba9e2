"""How much two names are alike, by several measures, each from 0 to 1."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from cinemill.core.text.sounds import sound_key
from cinemill.errors import ToolMissing

CONTAINED_SCORE = 0.85
"""Of a name whose words are all in the other one: "Lincoln", "Abraham Lincoln"."""
LEAST_WORD_SCORE = 0.7
"""Of two words that may be the same one, written in two ways."""
_WORD = re.compile(r"[^\W_]+(?:[.'’-][^\W_]+)*")
_ROMAN = re.compile(r"(?=.)m{0,3}(?:cm|cd|d?c{0,3})(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})")
_MALE_TITLES = frozenset({"mr", "sir", "lord", "king", "prince"})
_FEMALE_TITLES = frozenset({"mrs", "miss", "ms", "lady", "madam", "madame", "queen", "princess"})
_OTHER_TITLES = frozenset({"dr", "professor", "president", "general", "captain", "saint", "the"})
TITLES = _MALE_TITLES | _FEMALE_TITLES | _OTHER_TITLES


@dataclass(frozen=True, slots=True)
class NameSimilarity:
    """How two names compare."""

    written: float
    """By edits, or by trigrams where that is more."""
    sound: float
    """Share of the shorter name's words that sound like one of the other."""
    is_contained: bool
    """Whether all words of one are in the other."""

    @property
    def score(self) -> float:
        """Return the best of the measures of writing, 0 to 1."""
        return max(self.written, CONTAINED_SCORE if self.is_contained else 0.0)


def compare_names(first: str, second: str) -> NameSimilarity:
    """Compare two names without regard to case, titles and punctuation.

    Raises ToolMissing (``extra_missing``).
    """
    left, right = list_words(first), list_words(second)
    joined = " ".join(left), " ".join(right)
    shorter, longer = sorted((left, right), key=len)
    keys = {sound_key(word) for word in longer} - {""}
    heard = [word for word in shorter if sound_key(word) in keys]
    return NameSimilarity(
        written=max(compute_ratio(*joined), compare_trigrams(*joined)),
        sound=len(heard) / len(shorter) if shorter else 0.0,
        is_contained=bool(shorter) and set(shorter) <= set(longer),
    )


def list_words(name: str) -> list[str]:
    """Return a name's words in lower case, without titles, unless it is nothing but titles."""
    words = [word.strip(".").casefold() for word in _WORD.findall(name)]
    return [word for word in words if word not in TITLES] or words


def may_be_same(first: str, second: str) -> bool:
    """Return False where the names themselves say that two are meant.

    "World War I" and "World War II", "Mr. Bennet" and "Mrs. Bennet", "Jane Bennet" and "Elizabeth
    Bennet". Raises ToolMissing (``extra_missing``).
    """
    if _list_numbers(first) != _list_numbers(second):
        return False
    titles = [{word.strip(".").casefold() for word in _WORD.findall(n)} for n in (first, second)]
    for men, women in ((titles[0], titles[1]), (titles[1], titles[0])):
        if men & _MALE_TITLES and women & _FEMALE_TITLES:
            return False
    left, right = list_words(first), list_words(second)
    if len(left) > 1 and len(right) > 1:
        # As many words that have no counterpart on both sides: each names another one.
        return not (_list_unmatched(left, right) and _list_unmatched(right, left))
    return True


def compare_trigrams(first: str, second: str) -> float:
    """Return the share of trigrams that two texts have in common, as PostgreSQL's pg_trgm does."""
    left, right = _list_trigrams(first), _list_trigrams(second)
    return len(left & right) / len(left | right) if left and right else 0.0


def compute_ratio(first: str, second: str) -> float:
    """Return 1 less the share of edits that turn one text into the other.

    Raises ToolMissing (``extra_missing``).
    """
    return _load_ratio()(first, second) / 100


@lru_cache(maxsize=1)
def _load_ratio() -> Callable[[str, str], float]:
    try:
        from rapidfuzz import fuzz
    except ModuleNotFoundError as missing:
        raise ToolMissing(
            "Comparing names needs RapidFuzz, which is not installed.",
            code="extra_missing",
            hint="Install it with: pip install 'cinemill[intelligence]'.",
        ) from missing
    return fuzz.ratio


def _list_trigrams(text: str) -> frozenset[str]:
    words = (f"  {word.casefold()} " for word in _WORD.findall(text))
    return frozenset(word[at : at + 3] for word in words for at in range(len(word) - 2))


def _list_numbers(name: str) -> list[str]:
    """Return the numbers in a name, Roman ones too, where they are not its first word."""
    words = _WORD.findall(name)
    return [
        word.lower()
        for at, word in enumerate(words)
        if word.isdigit() or (at and word.isupper() and _ROMAN.fullmatch(word.lower()))
    ]


def _list_unmatched(words: list[str], others: list[str]) -> list[str]:
    return [word for word in words if not any(_are_alike(word, other) for other in others)]


def _are_alike(word: str, other: str) -> bool:
    """Return whether two words may be one: written or spoken alike, or an initial."""
    if word == other or (min(len(word), len(other)) == 1 and word[0] == other[0]):
        return True
    return compute_ratio(word, other) >= LEAST_WORD_SCORE or (
        bool(sound_key(word)) and sound_key(word) == sound_key(other)
    )
