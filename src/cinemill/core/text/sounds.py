"""How English words sound, roughly: words that sound alike may be one that was misheard.

A short table in the manner of Metaphone: consonants by their sound, and all vowels alike.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

LONGEST_KEY = 12
LONGEST_SPELLING = 40
_NOT_A_LETTER = re.compile(r"[^a-z]")


def _compile(rules: Sequence[tuple[str, str]]) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern), sound) for pattern, sound in rules)


_CONSONANTS = _compile(
    (
        (r"^(?:kn|gn|pn)", "n"),
        (r"^wr", "r"),
        (r"^ps", "s"),
        (r"^x", "s"),
        (r"^wh", "w"),
        (r"mb$", "m"),
        (r"sch", "sk"),
        (r"tch", "x"),
        (r"ch(?=[rl])", "k"),
        (r"ch", "x"),
        (r"sh|ti(?=o)|si(?=o)|ci(?=a)", "x"),
        (r"th", "t"),
        (r"ph", "f"),
        (r"gh(?=[^aeiou]|$)", ""),
        (r"gh", "g"),
        (r"dge?(?=[eiy]|$)", "j"),
        (r"ck", "k"),
        (r"c(?=[eiy])", "s"),
        (r"[cq]", "k"),
        (r"g(?=[eiy])", "j"),
        (r"z", "s"),
        (r"v", "f"),
    )
)
_KEY_RULES = (
    *_CONSONANTS,
    *_compile(((r"d$", "t"), (r"(?<=.)[aeiouyhw]", ""), (r"(.)\1+", r"\1"))),
)
_SPELLING_RULES = (
    *_compile(((r"(?<=.)x", "ks"),)),
    *_CONSONANTS,
    *_compile(((r"x", "X"), (r"(?<=[^aeiouy])e$", ""), (r"[aeiouy]+", "a"), (r"(.)\1+", r"\1"))),
)
_WEAK = {"a": 0.35, "h": 0.35, "w": 0.5}
"""What a sound weighs; one that is not named weighs 1."""
_NEAR = tuple(map(frozenset, ("pbf", "td", "kg", "sXj", "Xjt", "mn", "lr", "wf")))
_NEAR_COST = 0.4
"""Of one sound for another one of its kind."""
_LEAST_SHARE = 0.4


def sound_key(word: str) -> str:
    """Return the key of a word; empty where it has no Latin letter. At most 12 letters.

    All vowels at the beginning count as one.
    """
    key = _apply(_KEY_RULES, word)
    if key[:1] in tuple("aeiouy"):
        key = "a" + key[1:]
    return key[:LONGEST_KEY]


@lru_cache(maxsize=20_000)
def spell_sounds(word: str) -> str:
    """Return the sounds of a word's first 36 Latin letters, a letter each; empty without any."""
    return _apply(_SPELLING_RULES, word)


def compare_sounds(first: str, second: str) -> float:
    """Return how alike two texts sound, 0 to 1, wherever each of them has its blanks.

    1 less the sounds that differ, of those of the longer one. Vowels count less than consonants,
    and one consonant for another one of its kind (t and d) less than for any other. 0 where one of
    them is over two and a half times as long as the other.
    """
    one, other = (
        "".join(map(spell_sounds, text.split()))[:LONGEST_SPELLING] for text in (first, second)
    )
    less, whole = sorted((_weigh(one), _weigh(other)))
    if not one or not other or less < _LEAST_SHARE * whole:
        return 0.0
    return max(0.0, 1 - _count_edits(one, other) / whole)


def _apply(rules: Sequence[tuple[re.Pattern[str], str]], word: str) -> str:
    plain = unicodedata.normalize("NFKD", word.casefold())
    sounds = _NOT_A_LETTER.sub("", plain)[: LONGEST_KEY * 3]
    for pattern, sound in rules:
        sounds = pattern.sub(sound, sounds)
    return sounds


def _weigh(sounds: str) -> float:
    return sum(_WEAK.get(one, 1.0) for one in sounds)


def _count_edits(one: str, other: str) -> float:
    """Return what the cheapest edits that turn one spelling into the other cost."""
    row = [_weigh(other[:end]) for end in range(len(other) + 1)]
    for sound in one:
        weight = _WEAK.get(sound, 1.0)
        above, row = row, [row[0] + weight]
        for at, against in enumerate(other):
            row.append(
                min(
                    above[at + 1] + weight,
                    row[at] + _WEAK.get(against, 1.0),
                    above[at] + _cost_change(sound, against),
                )
            )
    return row[-1]


@lru_cache(maxsize=1_000)
def _cost_change(sound: str, other: str) -> float:
    if sound == other:
        return 0.0
    weight = max(_WEAK.get(sound, 1.0), _WEAK.get(other, 1.0))
    return _NEAR_COST * weight if any({sound, other} <= group for group in _NEAR) else weight
