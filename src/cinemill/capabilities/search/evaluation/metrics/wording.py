"""Whether words support a claim or contain an answer: names and numbers must be the same.

This is a check of facts, not of meaning: it finds a false number, name or date, and it cannot see
that a true one was put into a false sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_IRREGULAR = {"first": 1, "second": 2, "third": 3, "fifth": 5, "eighth": 8, "ninth": 9}
_ORDINALS = {
    **_IRREGULAR,
    "twelfth": 12,
    **{f"{word}th": value for value, word in enumerate(_UNITS) if value not in _IRREGULAR.values()},
    **{f"{word[:-1]}ieth": 10 * value for value, word in enumerate(_TENS, start=2)},
}
_SMALL = {
    **{word: value for value, word in enumerate(_UNITS)},
    **{word: 10 * value for value, word in enumerate(_TENS, start=2)},
    **_ORDINALS,
}
_SCALES = {"hundred": 100, "thousand": 1000}
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*(?:st|nd|rd|th)?|[^\W\d_]+(?:'[^\W\d_]+)?")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_STARTERS = frozenset(
    {
        *("a", "according", "after", "all", "also", "an", "and", "as", "at", "because", "before"),
        *("but", "by", "during", "each", "for", "from", "he", "her", "his", "how", "if", "in"),
        *("it", "its", "no", "not", "of", "on", "or", "our", "she", "since", "so", "some", "that"),
        *("the", "their", "there", "these", "they", "this", "those", "to", "under", "until", "we"),
        *("what", "when", "where", "which", "while", "who", "whom", "whose", "why", "with", "yes"),
    }
)
"""Words that begin a sentence with a capital letter and are no names."""


def fold_words(text: str) -> list[str]:
    """Return the words in lower case; numbers as digits, however they were written.

    ``forty-seven``, ``47`` and ``the 47th`` are the same number.
    """
    folded: list[str] = []
    total: int | None = None
    for word in _split(text):
        value = _SMALL.get(word)
        if value is not None:
            # "forty seven" is one number, "nine ten" are two.
            joins = total is not None and value < _room_below(total)
            if total is not None and not joins:
                folded.append(str(total))
            total = value + (total if joins and total is not None else 0)
        elif word in _SCALES and total is not None:
            total = _scale(total, _SCALES[word])
        elif word == "and" and total and total % 100 == 0:
            continue  # "two hundred and fifty"
        else:
            if total is not None:
                folded.append(str(total))
                total = None
            folded.append(word)
    return [*folded, str(total)] if total is not None else folded


def contains_answer(text: str, answer: str) -> bool:
    """Check whether the words of ``answer`` occur in the text in a row, numbers folded."""
    words, wanted = fold_words(text), fold_words(answer)
    last = len(words) - len(wanted)
    return bool(wanted) and any(
        words[first : first + len(wanted)] == wanted for first in range(last + 1)
    )


def is_supported(claim: str, source: str) -> bool:
    """Check whether every name and number of a claim occurs in the source.

    The first word of a sentence counts as a name unless it is a common one: in doubt, a claim is
    not supported.
    """
    known = set(fold_words(source))
    return all(word in known for word in list_facts(claim))


def list_facts(claim: str) -> list[str]:
    """Return the names and numbers of a claim, folded as :func:`fold_words` does."""
    facts: list[str] = []
    for sentence in _SENTENCE_END.split(claim):
        for number, token in enumerate(_TOKEN.findall(sentence)):
            is_name = token[0].isupper() and not (number == 0 and token.lower() in _STARTERS)
            if is_name and token.lower() not in _SMALL:
                facts.append(token.lower().removesuffix("'s"))
        facts += [word for word in fold_words(sentence) if word[0].isdigit()]
    return facts


def _split(text: str) -> Iterator[str]:
    for token in _TOKEN.findall(text):
        plain = token.lower().removesuffix("'s")
        yield re.sub("[a-z,]", "", plain) if plain[0].isdigit() else plain


def _scale(total: int, scale: int) -> int:
    """Return "three thousand two" times "hundred": only the part below it is multiplied."""
    part = total % scale or total
    return total - part + part * scale


def _room_below(total: int) -> int:
    """Return the number below which another word still belongs to this one."""
    for size in (1000, 100):
        if total % size == 0 and total:
            return size
    return 10 if total % 10 == 0 and total >= 20 else 0
