"""JSON documents that come from outside: what may be kept of them, and what is shown again.

Pure. Everything is walked with a list of what is still to be looked at, never by calls that nest:
a document may be nested deeper than Python's stack, or hold the same list a billion times.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, TypeAlias

from cinemill.errors import InputRejected, TooLarge

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | JsonObject | None"
JsonObject: TypeAlias = "Mapping[str, JsonValue]"
"""A document that is passed on as it is: who reads it has a model of it."""

DEEPEST = 32
"""Objects and lists within each other, the outermost included."""
LARGEST_NUMBER = 2**63 - 1
MOST_NUMBER_BITS = 4096
LONGEST_NAME_BYTES = 255
LONGEST_TEXT_BYTES = 64 * 1024
LONGEST_PATH_BYTES = 4096
"""Linux' PATH_MAX."""
LEAST_SHORT, MOST_SHORT = 1e-4, 1e16
"""Floats whose shortest form has no exponent."""
DEEPEST_SHOWN = 64
"""Of what is read back: results may be a little deeper than what was asked for."""
LONGEST_SHOWN_TEXT = 1024
MOST_SHOWN_MEMBERS = 50
_SMALLER = "Send fewer or smaller parameters, or split them into several jobs."


def check_size(document: Any, *, most_bytes: int) -> None:
    """Check a document's depth, size and types before anything else reads it.

    Raises InputRejected (``params_not_json``, ``params_too_deep``, ``number_out_of_range``),
    TooLarge (``params_too_large``).
    """
    left = most_bytes
    for value, depth, _ in _walk(document):
        left -= _estimate_bytes(value)
        if left < 0:
            raise _too_large(most_bytes)
        _check_type(value, depth)


def encode_document(document: Any, *, most_bytes: int) -> bytes:
    """Return the canonical JSON, in UTF-8, of a document that can be stored and listed again.

    Raises InputRejected (``params_not_json``, ``params_too_deep``, ``number_out_of_range``,
    ``text_too_long``, ``path_invalid``), TooLarge (``params_too_large``).
    """
    check_size(document, most_bytes=most_bytes)
    for value, _, name in _walk(document):
        _check_value(value, name)
    encoded = json.dumps(document, sort_keys=True, allow_nan=False, ensure_ascii=False).encode()
    if len(encoded) > most_bytes:
        raise _too_large(most_bytes)
    return encoded


def check_text(value: Any, name: str, *, most_bytes: int = LONGEST_NAME_BYTES) -> str:
    """Return a text that can be stored, of at most so many bytes of UTF-8.

    Raises InputRejected, with the code ``{name}_invalid``.
    """
    code = f"{name}_invalid"
    if not isinstance(value, str):
        raise InputRejected(f"{name} must be a text, not {quote(value)}.", code=code)
    if (problem := find_text_problem(value)) is not None:
        raise InputRejected(f"{name} {problem}.", code=code)
    if _is_longer(value, most_bytes):
        raise InputRejected(f"{name} is longer than {most_bytes} bytes.", code=code)
    return value


def find_text_problem(text: str) -> str | None:
    """Return why PostgreSQL or JSON cannot store a text; None where they can."""
    if "\x00" in text:
        return "must not contain NUL characters"
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return "is not Unicode text: it has half of a surrogate pair"
    return None


def is_bounded(document: Any, *, most_bytes: int, deepest: int = DEEPEST_SHOWN) -> bool:
    """Check whether a stored document can be returned as it is."""
    left = most_bytes
    for value, depth, _ in _walk(document):
        left -= _estimate_bytes(value)
        if left < 0 or (depth > deepest and isinstance(value, dict | list | tuple)):
            return False
    return True


def reduce_document(document: Any) -> dict[str, Any]:
    """Return the short and plain members of a document that cannot be returned as it is."""
    if not isinstance(document, dict):
        return {}
    short = ((name, one) for name, one in document.items() if _is_short(name) and _is_short(one))
    return {str(name): one for name, one in islice(short, MOST_SHOWN_MEMBERS)}


def _is_short(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_SHOWN_TEXT
    if isinstance(value, int):
        return abs(value) <= LARGEST_NUMBER
    return value is None or isinstance(value, float)


def _walk(document: Any) -> Iterator[tuple[Any, int, str]]:
    """Yield every value with its depth and its name; in a list, the list's name.

    A value is yielded before its members are visited, so that a caller who counts can stop in time.
    """
    pending = [(document, 1, "")]
    while pending:
        value, depth, name = pending.pop()
        yield value, depth, name
        if isinstance(value, dict):
            pending.extend([(one, depth + 1, str(key)) for key, one in value.items()])
        elif isinstance(value, list | tuple):
            pending.extend([(one, depth + 1, name) for one in value])


def _check_type(value: Any, depth: int) -> None:
    if isinstance(value, dict | list | tuple):
        _check_depth(depth)
    elif isinstance(value, int):  # True and False are
        if value.bit_length() > MOST_NUMBER_BITS:  # Python would not even write it into a refusal
            raise _number_out_of_range(value)
    elif value is not None and not isinstance(value, str | float):
        raise _not_json(f"{quote(value)} has a type that JSON does not support")
    if isinstance(value, dict):
        for key in value:
            _check_key(key)


def _check_value(value: Any, name: str) -> None:
    if isinstance(value, str):
        _check_text(value, name)
    elif isinstance(value, int | float):
        _check_number(value)


def _estimate_bytes(value: Any) -> int:
    """Of a value without what is in it, once it is stored and read again: never more than it takes.

    PostgreSQL writes numbers out in full: 1e-300 has 302 characters then.
    """
    if isinstance(value, str):
        return len(value) + 2
    if isinstance(value, dict):
        return 2 + sum(len(key) + 4 if isinstance(key, str) else 4 for key in value)
    if isinstance(value, list | tuple):
        return 2 + len(value)
    if isinstance(value, float) and not (value == 0 or LEAST_SHORT <= abs(value) <= MOST_SHORT):
        return _count_digits(value)
    return 1


def _count_digits(value: float) -> int:
    return len(f"{Decimal(repr(value)):f}") if math.isfinite(value) else 1


def _check_depth(depth: int) -> None:
    if depth > DEEPEST:
        raise InputRejected(
            f"The parameters are nested more than {DEEPEST} levels deep.", code="params_too_deep"
        )


def _check_key(key: Any) -> None:
    if not isinstance(key, str):
        raise _not_json(f"the name {quote(key)} is no text")
    if problem := find_text_problem(key):
        raise _not_json(f"the name {quote(key)} {problem}")
    if _is_longer(key, LONGEST_NAME_BYTES):
        raise InputRejected(
            f"The name {quote(key)} is longer than {LONGEST_NAME_BYTES} bytes.",
            code="text_too_long",
        )


def _check_text(text: str, name: str) -> None:
    if problem := find_text_problem(text):
        raise _not_json(f"the text {quote(text)} {problem}")
    if name == "path" or name.endswith("_path"):
        check_path(text)
    if _is_longer(text, LONGEST_TEXT_BYTES):
        raise InputRejected(
            f"The text {quote(text)} is longer than {LONGEST_TEXT_BYTES} bytes.",
            code="text_too_long",
        )


def check_path(value: Any) -> str:
    """Return a path that an operating system could know.

    Raises InputRejected (``path_invalid``).
    """
    return check_text(value, "path", most_bytes=LONGEST_PATH_BYTES)


def _check_number(value: int | float) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise _not_json("NaN and infinity are not valid in JSON")
    if not -LARGEST_NUMBER <= value <= LARGEST_NUMBER:
        raise _number_out_of_range(value)


def _is_longer(text: str, most_bytes: int) -> bool:
    if len(text) > most_bytes or text.isascii():
        return len(text) > most_bytes
    return len(text.encode("utf-8", "replace")) > most_bytes


def _number_out_of_range(value: int | float) -> InputRejected:
    return InputRejected(
        f"The number {quote(value)} is out of range: at most {LARGEST_NUMBER}.",
        code="number_out_of_range",
    )


def _not_json(why: str) -> InputRejected:
    return InputRejected(f"The parameters are not plain JSON: {why}.", code="params_not_json")


def _too_large(most_bytes: int) -> TooLarge:
    limit = f"{most_bytes >> 20} MiB" if most_bytes >= 1 << 20 else f"{most_bytes >> 10} KiB"
    return TooLarge(
        f"The parameters are larger than {limit}.", code="params_too_large", hint=_SMALLER
    )


QUOTED_CHARACTERS = 80


def _make_short() -> reprlib.Repr:
    """Return a value cut to what can be quoted, however long or deep it is."""
    short = reprlib.Repr()
    short.maxlevel = 4
    short.maxstring = short.maxother = short.maxlong = 2 * QUOTED_CHARACTERS
    short.maxdict = short.maxlist = short.maxtuple = short.maxset = QUOTED_CHARACTERS
    return short


_SHORT = _make_short()


def quote(value: Any) -> str:
    """Return what was given, shortened to fit into a sentence."""
    try:
        text = _SHORT.repr(value)
    except ValueError:
        return "a number of thousands of digits"  # which Python refuses to write
    return text if len(text) <= QUOTED_CHARACTERS else f"{text[: QUOTED_CHARACTERS - 1]}…"
