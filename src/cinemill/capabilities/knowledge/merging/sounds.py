"""How an English name sounds, roughly: names with the same key may be one that was misheard.

A short table in the manner of Metaphone: consonants by their sound, no vowels but the first.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST_KEY = 12
_NOT_A_LETTER = re.compile(r"[^a-z]")
_RULES = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
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
        (r"d$", "t"),
        (r"(?<=.)[aeiouyhw]", ""),
        (r"(.)\1+", r"\1"),
    )
)


def sound_key(word: str) -> str:
    """Return the key of a word; empty where it has no Latin letter. At most 12 letters.

    All vowels at the beginning count as one.
    """
    plain = unicodedata.normalize("NFKD", word.casefold())
    key = _NOT_A_LETTER.sub("", plain)[: LONGEST_KEY * 3]
    for pattern, sound in _RULES:
        key = pattern.sub(sound, key)
    if key[:1] in tuple("aeiouy"):
        key = "a" + key[1:]
    return key[:LONGEST_KEY]
