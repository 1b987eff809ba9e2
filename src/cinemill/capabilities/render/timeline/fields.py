"""The types of a timeline's members: each has its bounds, its JSON Schema and its sentence.

Numbers become fractions, exactly as they are written.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator, StringConstraints, WithJsonSchema

from cinemill.capabilities.render.timeline.timeline import CUT, TRANSITIONS
from cinemill.core.documents import quote
from cinemill.core.encoding.rendition import LARGEST_FPS, LARGEST_SIDE_PIXELS, as_rate
from cinemill.core.parameters import MAX_NUMBER, Expected, expect, reject

MAX_VOLUME = 16
MAX_TEXT_CHARACTERS = 4096
MIN_SIDE_PIXELS = 16
MAX_RATE_DENOMINATOR = 1001
"""Broadcast rates are multiples of 1/1001."""
INVISIBLE_CATEGORIES = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})
"""Categories of Unicode (UAX 44): spaces, controls, and characters that only format."""
COLOR_PATTERN = "^#[0-9a-fA-F]{6}$"
_SECONDS_TEXT = r"^[0-9]{1,12}(\.[0-9]{1,12}|/[0-9]{1,12})?$"
_SECONDS = re.compile(_SECONDS_TEXT)
_RATE_TEXT = r"^[0-9]{1,9}(\.[0-9]{1,9}|/[0-9]{1,9})?$"


def parse_seconds(value: Any) -> Fraction:
    """Return seconds from 0 to ``MAX_NUMBER``. Raises ValueError."""
    return _parse_number(value, MAX_NUMBER)


def parse_duration(value: Any) -> Fraction:
    """Return seconds above 0 and of at most ``MAX_NUMBER``. Raises ValueError."""
    return _parse_positive(value, MAX_NUMBER)


def parse_volume(value: Any) -> Fraction:
    """Return a factor of the amplitude from 0 to ``MAX_VOLUME``. Raises ValueError."""
    return _parse_number(value, MAX_VOLUME)


def parse_share(value: Any) -> Fraction:
    """Return a share above 0 and of at most 1. Raises ValueError."""
    return _parse_positive(value, 1)


def _parse_positive(value: Any, maximum: int) -> Fraction:
    number = _parse_number(value, maximum)
    if not number:
        raise ValueError("out of range")
    return number


def _parse_number(value: Any, maximum: int) -> Fraction:
    """Return a number as it is written (``2.5``, ``"1/30"``), exactly. Raises ValueError."""
    number = _parse_text(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int | float | Fraction):
        raise ValueError("no number")  # noqa: TRY004 - pydantic collects ValueErrors only
    if not 0 <= number <= maximum:
        raise ValueError("out of range")
    return Fraction(str(number)) if isinstance(number, float) else Fraction(number)


def _parse_text(text: str) -> Fraction:
    if not _SECONDS.match(text):
        raise ValueError("no number")  # 1e999999999 would fill the memory with zeros
    try:
        return Fraction(text)
    except ZeroDivisionError as error:
        raise ValueError("a denominator of zero") from error


def parse_rate(value: Any) -> Fraction:
    """Return frames a second above 0 and of at most ``LARGEST_FPS``. Raises ValueError."""
    if not isinstance(value, int | float | str):
        raise ValueError("no number")  # noqa: TRY004 - pydantic collects ValueErrors only
    try:
        rate = as_rate(value)
    except ZeroDivisionError as error:
        raise ValueError("a denominator of zero") from error
    if not 0 < rate <= LARGEST_FPS:
        raise ValueError("out of range")
    return rate.limit_denominator(MAX_RATE_DENOMINATOR)


def _check_visible(text: str) -> str:
    if all(unicodedata.category(one) in INVISIBLE_CATEGORIES for one in text):
        raise expect("a text with at least one visible character")
    return text


def _check_transition(kind: str) -> str:
    if kind != CUT and kind not in TRANSITIONS:
        raise reject(
            f"There is no transition called {quote(kind)}.",
            code="transition_unknown",
            hint=f"Use one of: {CUT}, {', '.join(TRANSITIONS)}.",
        )
    return kind


def _number_schema(pattern: str, **bounds: int) -> WithJsonSchema:
    return WithJsonSchema({"type": ["number", "string"], "pattern": pattern, **bounds})


_IN_SECONDS = f"a number of seconds from 0 to {MAX_NUMBER}"
_SECONDS_SCHEMA = _number_schema(_SECONDS_TEXT, minimum=0, maximum=MAX_NUMBER)
Seconds = Annotated[Fraction, PlainValidator(parse_seconds), _SECONDS_SCHEMA, Expected(_IN_SECONDS)]
ClipSeconds = Annotated[
    Fraction,
    PlainValidator(parse_seconds),
    _SECONDS_SCHEMA,
    Expected(_IN_SECONDS, code="clip_times_invalid"),
]
"""Seconds that say which part of its video a clip is, with the code of a clip's times."""
GapSeconds = Annotated[
    Fraction,
    PlainValidator(parse_duration),
    _number_schema(_SECONDS_TEXT, exclusiveMinimum=0, maximum=MAX_NUMBER),
    Expected(f"a number of seconds above 0 and at most {MAX_NUMBER}", code="clip_times_invalid"),
]
Volume = Annotated[
    Fraction,
    PlainValidator(parse_volume),
    _number_schema(_SECONDS_TEXT, minimum=0, maximum=MAX_VOLUME),
    Expected(f"a number from 0 to {MAX_VOLUME}"),
]
Share = Annotated[
    Fraction,
    PlainValidator(parse_share),
    _number_schema(_SECONDS_TEXT, exclusiveMinimum=0, maximum=1),
    Expected("a number above 0 and at most 1"),
]
FrameRate = Annotated[
    Fraction,
    PlainValidator(parse_rate),
    _number_schema(_RATE_TEXT, exclusiveMinimum=0, maximum=LARGEST_FPS),
    Expected(
        f"a number of frames per second, above 0 and at most {LARGEST_FPS}, "
        "such as 25, 23.976 or '30000/1001'"
    ),
]
SidePixels = Annotated[
    int,
    Field(ge=MIN_SIDE_PIXELS, le=LARGEST_SIDE_PIXELS, multiple_of=2),
    Expected(f"an even number of pixels from {MIN_SIDE_PIXELS} to {LARGEST_SIDE_PIXELS}"),
]
Text = Annotated[
    str,
    Field(min_length=1, max_length=MAX_TEXT_CHARACTERS),
    Expected(f"a text of 1 to {MAX_TEXT_CHARACTERS} characters"),
]
VisibleText = Annotated[
    Text, AfterValidator(_check_visible), Field(json_schema_extra={"pattern": r"\S"})
]
Color = Annotated[
    str,
    StringConstraints(pattern=COLOR_PATTERN, to_lower=True),
    Expected("a color such as #ff8800"),
]
TransitionKind = Annotated[
    Text,
    AfterValidator(_check_transition),
    Field(json_schema_extra={"enum": [CUT, *TRANSITIONS]}),
]
