"""What a timeline looks like as a document: one table for whoever reads it and for its schema.

Two forms are read. The small one, which scripts pass (``scenes``, ``video_path``, ``start_time``,
``end_time``, ``transitions``), and the fuller one (``clips``), which the schema describes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from cinemill.core.pieces import MOST_CLIPS, check_lengths, default_transition
from cinemill.core.rendition import LARGEST_FPS, LARGEST_SIDE_PIXELS, as_rate
from cinemill.core.timeline import (
    CUT,
    DEFAULT_TRANSITION_SECONDS,
    TRANSITIONS,
    Clip,
    OutputFormat,
    Source,
    Timeline,
    Transition,
    as_seconds,
)
from cinemill.errors import InputRejected

LOUDEST = 16
LONGEST_TEXT = 4096
LATEST_SECONDS = 10**9
"""Far past the end of any film; what is larger need not be a number that can be reckoned with."""
QUOTED_CHARACTERS = 80
_NUMBER = {"type": ["number", "string"], "pattern": r"^[0-9]{1,9}(\.[0-9]{1,9}|/[0-9]{1,9})?$"}


@dataclass(frozen=True, slots=True)
class Field:
    """One member of an object: its type, its bounds and what it means."""

    kind: str
    """``seconds``, ``factor``, ``side``, ``rate``, ``text`` or ``flag``."""
    meaning: str
    is_required: bool = False
    code: str = "timeline_invalid"


CLIP_FIELDS: Mapping[str, Field] = {
    "path": Field("text", "Path of the film, which the workers can read; or asset_id"),
    "asset_id": Field("text", "A film that is stored already; or path"),
    "start": Field(
        "seconds", "Where the clip begins in its film, in seconds", True, "clip_times_invalid"
    ),
    "end": Field(
        "seconds", "Where it ends; this moment is not part of it", True, "clip_times_invalid"
    ),
    "volume": Field("factor", "Of the clip's sound; 1 leaves it, 0 is silence"),
    "fade_in": Field("seconds", "Seconds from black and silence"),
    "fade_out": Field("seconds", "Seconds to black and silence"),
}
TRANSITION_FIELDS: Mapping[str, Field] = {
    "kind": Field("text", "How the clip becomes the next", True),
    "seconds": Field("seconds", "How long both are seen; the film is as much shorter"),
}
OUTPUT_FIELDS: Mapping[str, Field] = {
    "width": Field("side", "Pixels, even"),
    "height": Field("side", "Pixels, even"),
    "fps": Field("rate", "Frames a second, such as 25, 23.976 or 30000/1001"),
}
TIMELINE_FIELDS: Mapping[str, Field] = {
    "subtitles": Field("text", "Path of an SRT or ASS file to be burned in"),
    "use_gpu": Field("flag", "Encode on a GPU where there is one"),
}
_SCENE_NAMES = {"video_path": "path", "start_time": "start", "end_time": "end"}


def read_timeline(document: Any) -> Timeline:
    """A timeline out of either form.

    Raises InputRejected, with the clip's index where a clip is at fault: ``timeline_invalid``,
    ``timeline_empty``, ``timeline_too_long``, ``clip_times_invalid``, ``clip_source_missing``,
    ``transition_unknown``, ``transition_too_long``.
    """
    if not isinstance(document, Mapping):
        raise _invalid("", "a timeline is a dictionary with clips or scenes")
    is_small = "scenes" in document
    own = {"scenes", "output_format", "transitions"} if is_small else {"clips", "output"}
    _refuse_unknown(document, {*own, *TIMELINE_FIELDS}, "")
    values = _read_fields(document, TIMELINE_FIELDS, "")
    output = _read_output(document.get("output_format" if is_small else "output"))
    clips = _read_clips(document.get("scenes" if is_small else "clips"), is_small)
    timeline = Timeline(clips, output, values.get("subtitles"), values.get("use_gpu", False))
    if is_small:
        timeline = _join_scenes(timeline, document.get("transitions"))
    check_lengths(timeline)
    return timeline


def _join_scenes(timeline: Timeline, wish: Any) -> Timeline:
    """``transitions``: True puts the default between all scenes, as long as they leave room."""
    if wish is None:
        return timeline
    if not isinstance(wish, bool):
        raise _invalid("", f"transitions must be True or False, not {_quote(wish)}")
    if not wish:
        return timeline
    clips = list(timeline.clips)
    for index in range(len(clips) - 1):
        transition = default_transition(clips[index], clips[index + 1], timeline.output.fps)
        clips[index] = replace(clips[index], transition=transition)
    return replace(timeline, clips=tuple(clips))


def _read_output(document: Any) -> OutputFormat:
    if document is None:
        return OutputFormat()
    if not isinstance(document, Mapping):
        raise _invalid("", "the output format is a dictionary with width, height and fps")
    _refuse_unknown(document, set(OUTPUT_FIELDS), "")
    values = _read_fields(document, OUTPUT_FIELDS, "")
    return OutputFormat(**values)


def _read_clips(documents: Any, is_small: bool) -> tuple[Clip, ...]:
    if not isinstance(documents, list | tuple):
        raise _invalid("", f"{'scenes' if is_small else 'clips'} must be a list")
    if not documents:
        raise InputRejected("There are no clips in this timeline.", code="timeline_empty")
    if len(documents) > MOST_CLIPS:
        raise InputRejected(
            f"Clip {MOST_CLIPS}: a timeline has at most {MOST_CLIPS} clips, this has "
            f"{len(documents)}.",
            code="timeline_too_long",
            way_on="Render it in parts, and the parts together.",
        )
    return tuple(_read_clip(document, index, is_small) for index, document in enumerate(documents))


def _read_clip(document: Any, index: int, is_small: bool) -> Clip:
    where = f"Clip {index}: "
    if not isinstance(document, Mapping):
        raise _invalid(where, "a clip is a dictionary")
    if is_small:
        _refuse_unknown(document, set(_SCENE_NAMES), where)
        document = {_SCENE_NAMES[name]: value for name, value in document.items()}
    _refuse_unknown(document, {*CLIP_FIELDS, "transition"}, where)
    values = _read_fields(document, CLIP_FIELDS, where)
    source = Source(values.get("path"), values.get("asset_id"))
    if (source.path is None) == (source.asset_id is None):
        raise _invalid(where, "it needs a path or an asset_id, and not both", "clip_source_missing")
    if values["end"] <= values["start"]:
        raise _invalid(
            where,
            f"it ends at {_write(values['end'])} s and starts at {_write(values['start'])} s",
            "clip_times_invalid",
        )
    return Clip(
        source,
        values["start"],
        values["end"],
        _read_transition(document.get("transition"), where),
        values.get("volume", Fraction(1)),
        values.get("fade_in", Fraction(0)),
        values.get("fade_out", Fraction(0)),
    )


def _read_transition(document: Any, where: str) -> Transition | None:
    """A kind by its name alone lasts the default time. Raises InputRejected."""
    if isinstance(document, str):
        document = {"kind": document}
    if document is None:
        return None
    if not isinstance(document, Mapping):
        raise _invalid(where, "a transition is a dictionary with kind and seconds")
    _refuse_unknown(document, set(TRANSITION_FIELDS), where)
    values = _read_fields(document, TRANSITION_FIELDS, where)
    if values["kind"] == CUT:
        return None
    if values["kind"] not in TRANSITIONS:
        raise InputRejected(
            f"{where}there is no transition called {values['kind']!r}.",
            code="transition_unknown",
            way_on=f"Use one of: {CUT}, {', '.join(TRANSITIONS)}.",
        )
    seconds = values.get("seconds", DEFAULT_TRANSITION_SECONDS)
    return Transition(values["kind"], seconds) if seconds > 0 else None


def _read_fields(
    document: Mapping[str, Any], fields: Mapping[str, Field], where: str
) -> dict[str, Any]:
    """The members that are given, by name. Raises InputRejected."""
    values = {}
    for name, one in fields.items():
        value = document.get(name)
        if value is not None:
            values[name] = _read_value(one, name, value, where)
        elif one.is_required:
            raise _invalid(where, f"it has no {name}", one.code)
    return values


def _read_value(field: Field, name: str, value: Any, where: str) -> Any:
    try:
        return _READERS[field.kind](value)
    except ValueError as error:
        raise _invalid(where, f"{name} must be {error}, not {_quote(value)}", field.code) from None


def _read_seconds(value: Any) -> Fraction:
    return _bounded(value, f"a number of seconds from 0 to {LATEST_SECONDS}", LATEST_SECONDS)


def _read_factor(value: Any) -> Fraction:
    return _bounded(value, f"a number from 0 to {LOUDEST}", LOUDEST)


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


def _read_flag(value: Any) -> bool:
    if value is not True and value is not False:
        raise ValueError("True or False")
    return value is True


_READERS = {
    "seconds": _read_seconds,
    "factor": _read_factor,
    "side": _read_side,
    "rate": _read_rate,
    "text": _read_text,
    "flag": _read_flag,
}
_SHAPES: Mapping[str, Mapping[str, Any]] = {
    "seconds": {**_NUMBER, "minimum": 0, "maximum": LATEST_SECONDS},
    "factor": {**_NUMBER, "minimum": 0, "maximum": LOUDEST},
    "side": {"type": "integer", "minimum": 16, "maximum": LARGEST_SIDE_PIXELS, "multipleOf": 2},
    "rate": {**_NUMBER, "exclusiveMinimum": 0, "maximum": LARGEST_FPS},
    "text": {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT},
    "flag": {"type": "boolean"},
}


def write_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the fuller form, from the tables that it is read by."""
    transition = _write_object(TRANSITION_FIELDS)
    transition["properties"]["kind"]["enum"] = [CUT, *TRANSITIONS]
    clip = _write_object(CLIP_FIELDS)
    clip["properties"]["transition"] = {
        "description": "Into the next clip; without it, a cut",
        "oneOf": [{"enum": [CUT, *TRANSITIONS]}, transition],
    }
    clip["oneOf"] = [{"required": ["path"]}, {"required": ["asset_id"]}]
    clips = {"type": "array", "items": clip, "minItems": 1, "maxItems": MOST_CLIPS}
    document = _write_object(TIMELINE_FIELDS)
    document["properties"] |= {"clips": clips, "output": _write_object(OUTPUT_FIELDS)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Timeline",
        **document,
        "required": ["clips"],
    }


def _write_object(fields: Mapping[str, Field]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            name: {"description": one.meaning, **_SHAPES[one.kind]} for name, one in fields.items()
        },
        "required": [name for name, one in fields.items() if one.is_required],
        "additionalProperties": False,
    }


def _refuse_unknown(document: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(str(name) for name in document.keys() - known)
    if unknown:
        raise InputRejected(
            f"{where}there is no {', '.join(unknown)} here.",
            code="timeline_invalid",
            way_on=f"Use some of: {', '.join(sorted(known))}.",
        )


def _invalid(where: str, what: str, code: str = "timeline_invalid") -> InputRejected:
    sentence = f"{where}{what}." if where else f"{what[:1].upper()}{what[1:]}."
    return InputRejected(sentence, code=code)


def _write(seconds: Fraction) -> str:
    return f"{float(seconds):g}"


def _quote(value: Any) -> str:
    """What was given, as far as it goes into a sentence."""
    try:
        text = repr(value)
    except ValueError:
        return "a number of thousands of digits"  # which Python refuses to write
    return text if len(text) <= QUOTED_CHARACTERS else f"{text[: QUOTED_CHARACTERS - 1]}…"
