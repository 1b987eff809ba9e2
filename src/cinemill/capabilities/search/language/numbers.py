"""Numbers in words and in digits, folded into one form: ``twenty`` and ``20`` are the same.

English words only; digits of any language.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation

from cinemill.capabilities.search.language.words import fold, list_words


def _list(text: str) -> Sequence[str]:
    return text.split()


_ONES = _list(
    """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen
    """
)
_TENS = _list("twenty thirty forty fifty sixty seventy eighty ninety")
_ORDINALS = _list(
    """
    zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth
    thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth
    """
)
_TEN_ORDINALS = _list(
    """
    twentieth thirtieth fortieth fiftieth sixtieth seventieth eightieth ninetieth
    """
)
_SMALL = {
    **{word: value for value, word in enumerate(_ONES)},
    **{word: value for value, word in enumerate(_ORDINALS)},
    **{word: 10 * value for value, word in enumerate(_TENS, start=2)},
    **{word: 10 * value for value, word in enumerate(_TEN_ORDINALS, start=2)},
    "dozen": 12,
}
_AMBIGUOUS = frozenset({"second", "one"})
"""Mostly a unit of time and a pronoun: they are numbers only next to others, or as digits."""
_SCALES = {
    "hundred": 100,
    "hundredth": 100,
    "thousand": 1000,
    "thousandth": 1000,
    "million": 10**6,
    "millionth": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
_DIGITS = re.compile(r"(\d+(?:[.,:]\d+)*)(st|nd|rd|th|s)?")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_LONGEST_DIGITS = 30


def list_numbers(text: str) -> list[str]:
    """Return the numbers of a text in order, each in its shortest decimal form.

    ``twenty-five`` → ``25``, ``1,200`` → ``1200``, ``3.5 million`` → ``3500000``,
    ``ninth`` → ``9``, ``nineteen ninety-eight`` → ``1998``; a time such as ``7:30`` stays as it is,
    and so does a number of more than 30 digits.
    """
    words = [word for found in list_words(text) for word in fold(found.text).split("-")]
    return [number for run in _split_runs(words) for number in _fold_run(run)]


def is_number(word: str) -> bool:
    """Return whether a single word is a number, in words or digits."""
    folded = fold(word).rstrip("%")
    return bool(_DIGITS.fullmatch(folded)) or folded in _SMALL or folded in _SCALES


def _split_runs(words: Sequence[str]) -> Iterator[list[str]]:
    """Yield words of numbers that follow each other, with ``and`` between them."""
    run: list[str] = []
    for at, word in enumerate(words):
        is_joint = (
            word == "and"
            and run
            and run[-1] in _SCALES
            and words[at + 1 : at + 2] != []
            and words[at + 1] in _SMALL
        )
        if is_number(word) or is_joint:
            run.append(word)
            continue
        if run:
            yield run
        run = []
    if run:
        yield run


def _fold_run(run: Sequence[str]) -> list[str]:
    """Return the numbers of a run; several where they do not make one together."""
    if len(run) == 1 and run[0] in _AMBIGUOUS:
        return []
    numbers: list[str] = []
    total, part, last = Decimal(0), None, ""
    for word in run:
        if word == "and":
            continue
        if word in _SCALES:
            scale = _SCALES[word]
            part = (Decimal(1) if part is None else part) * scale
            if scale > 100:
                total, part = total + part, None
            last = "scale"
            continue
        value = _read_small(word)
        if value is None:  # a time, or too long
            numbers += [*_flush(total, part, last), word]
            total, part, last = Decimal(0), None, ""
            continue
        joined = _join(part, value, last)
        if joined is None:
            numbers += _flush(total, part, last)
            total, joined = Decimal(0), value
        part, last = joined, _kind_of(word, value)
    return [*numbers, *_flush(total, part, last)]


def _read_small(word: str) -> Decimal | None:
    """Return the value of a word or of digits; None for what stays as it is written."""
    if word in _SMALL:
        return Decimal(_SMALL[word])
    match = _DIGITS.fullmatch(word.rstrip("%"))
    digits = match[1] if match else ""
    if _GROUPED.fullmatch(digits):
        digits = digits.replace(",", "")
    if not digits or len(digits) > _LONGEST_DIGITS or ":" in digits or digits.count(",") > 1:
        return None
    try:
        return Decimal(digits.replace(",", "."))
    except InvalidOperation:  # a date such as 1.2.2020
        return None


def _kind_of(word: str, value: Decimal) -> str:
    if word not in _SMALL:
        return "digits"
    if value >= 20:
        return "tens"
    return "teen" if value >= 10 else "one"


def _join(part: Decimal | None, value: Decimal, last: str) -> Decimal | None:
    """Return both as one number, or None where they are two."""
    if part is None:
        return value
    if last == "scale" and part % 100 == 0 and value < 100:
        return part + value
    if last == "tens" and value < 10 and part % 10 == 0:
        return part + value
    # Years: nineteen ninety, twenty twenty-five.
    if last in ("teen", "tens") and 10 <= part < 100 and 10 <= value < 100:
        return part * 100 + value
    return None


def _flush(total: Decimal, part: Decimal | None, last: str) -> list[str]:
    if part is None and not last:
        return []
    value = total + (part or Decimal(0))
    return [_write(value)]


def _write(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
