"""Members of a document's objects: their types, bounds and meanings, read and described alike.

One table of :class:`Field` says what is read, what is refused and what the JSON Schema tells.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from cinemill.capabilities.render.timeline.timeline import PLACES, Source, as_seconds
from cinemill.core.documents import quote
from cinemill.core.encoding.rendition import LARGEST_FPS, LARGEST_SIDE_PIXELS, as_rate
from cinemill.errors import InputRejected

LOUDEST = 16
LONGEST_TEXT = 4096
LATEST_SECONDS = 10**9
"""Far past the end of any film; what is larger need not be a number that can be reckoned with."""
_UNSEEN = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})
"""Categories of Unicode (UAX 44): spaces, controls, and marks that only format."""
_COLOUR = "^#[0-9a-fA-F]{6}$"
_NUMBER = {"type": ["number", "string"], "pattern": r"^[0-9]{1,9}(\.[0-9]{1,9}|/[0-9]{1,9})?$"}


@dataclass(frozen=True, slots=True)
class Field:
    """One member of an object: its type, its bounds and what it means."""

    kind: str
    """``seconds``, ``factor``, ``share``, ``side``, ``rate``, ``text``, ``words``, ``colour``,
    ``place`` or ``flag``."""
    meaning: str
    is_required: bool = False
    code: str = "timeline_invalid"


def read_fields(
    document: Mapping[str, Any], fields: Mapping[str, Field], where: str
) -> dict[str, Any]:
    """The members that are given, by name. Raises InputRejected."""
    values = {}
    for name, one in fields.items():
        value = document.get(name)
        if value is not None:
            values[name] = _read_value(one, name, value, where)
        elif one.is_required:
            raise invalid(where, f"it has no {name}", one.code)
    return values


def _read_value(field: Field, name: str, value: Any, where: str) -> Any:
    try:
        return _READERS[field.kind](value)
    except ValueError as error:
        raise invalid(where, f"{name} must be {error}, not {quote(value)}", field.code) from None


def _read_seconds(value: Any) -> Fraction:
    return _bounded(value, f"a number of seconds from 0 to {LATEST_SECONDS}", LATEST_SECONDS)


def _read_factor(value: Any) -> Fraction:
    return _bounded(value, f"a number from 0 to {LOUDEST}", LOUDEST)


def _read_share(value: Any) -> Fraction:
    wish = "a share of the whole, above 0 and at most 1"
    share = _bounded(value, wish, 1)
    if not share:
        raise ValueError(wish)
    return share


def _bounded(value: Any, wish: str, most: int) -> Fraction:
    try:
        number = as_seconds(value)
    except ValueError:
        raise ValueError(wish) from None
    if not 0 <= number <= most:
        raise ValueError(wish)
    return number


def _read_side(value: Any) -> int:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole or value % 2 or not 16 <= value <= LARGEST_SIDE_PIXELS:
        raise ValueError(f"an even number of pixels from 16 to {LARGEST_SIDE_PIXELS}")
    return int(value)


def _read_rate(value: Any) -> Fraction:
    wish = f"frames a second, above 0 and at most {LARGEST_FPS}"
    try:
        rate = as_rate(value)
    except (ValueError, ZeroDivisionError):
        raise ValueError(wish) from None
    if not 0 < rate <= LARGEST_FPS:
        raise ValueError(wish)
    return rate.limit_denominator(1001)


def _read_text(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TEXT:
        raise ValueError(f"a text of at most {LONGEST_TEXT} characters")
    return value


def _read_words(value: Any) -> str:
    if all(unicodedata.category(one) in _UNSEEN for one in _read_text(value)):
        raise ValueError("a text with something in it to be seen")
    return str(value)


def _read_colour(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(_COLOUR[1:-1], value):
        raise ValueError("a colour such as #ff8800")
    return value.lower()


def _read_place(value: Any) -> str:
    if not isinstance(value, str) or value not in PLACES:
        raise ValueError(f"one of {', '.join(PLACES)}")
    return str(value)


def _read_flag(value: Any) -> bool:
    if value is not True and value is not False:
        raise ValueError("True or False")
    return value is True


_READERS = {
    "seconds": _read_seconds,
    "factor": _read_factor,
    "share": _read_share,
    "side": _read_side,
    "rate": _read_rate,
    "text": _read_text,
    "words": _read_words,
    "colour": _read_colour,
    "place": _read_place,
    "flag": _read_flag,
}
_SHAPES: Mapping[str, Mapping[str, Any]] = {
    "seconds": {**_NUMBER, "minimum": 0, "maximum": LATEST_SECONDS},
    "factor": {**_NUMBER, "minimum": 0, "maximum": LOUDEST},
    "share": {**_NUMBER, "exclusiveMinimum": 0, "maximum": 1},
    "side": {"type": "integer", "minimum": 16, "maximum": LARGEST_SIDE_PIXELS, "multipleOf": 2},
    "rate": {**_NUMBER, "exclusiveMinimum": 0, "maximum": LARGEST_FPS},
    "text": {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT},
    "words": {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT, "pattern": r"\S"},
    "colour": {"type": "string", "pattern": _COLOUR},
    "place": {"enum": [*PLACES]},
    "flag": {"type": "boolean"},
}


def write_object(fields: Mapping[str, Field]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            name: {"description": one.meaning, **_SHAPES[one.kind]} for name, one in fields.items()
        },
        "required": [name for name, one in fields.items() if one.is_required],
        "additionalProperties": False,
    }


def read_source(values: dict[str, Any], where: str, code: str) -> Source:
    """Taken out of ``values``: a path or an asset, one of the two. Raises InputRejected."""
    source = Source(values.pop("path", None), values.pop("asset_id", None))
    if (source.path is None) == (source.asset_id is None):
        raise invalid(where, "it needs a path or an asset_id, and not both", code)
    return source


def write_either(document: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object that names its source."""
    return {**document, "oneOf": [{"required": ["path"]}, {"required": ["asset_id"]}]}


def refuse_unknown(document: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(str(name) for name in document.keys() - known)
    if unknown:
        raise InputRejected(
            f"{where}there is no {', '.join(unknown)} here.",
            code="timeline_invalid",
            way_on=f"Use some of: {', '.join(sorted(known))}.",
        )


def invalid(where: str, what: str, code: str = "timeline_invalid") -> InputRejected:
    sentence = f"{where}{what}." if where else f"{what[:1].upper()}{what[1:]}."
    return InputRejected(sentence, code=code)


def write_seconds(seconds: Fraction) -> str:
    return f"{float(seconds):g}"
