"""What is laid over an edit, as a document says it: titles. Their times are the film's."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from cinemill.core.fields import (
    Field,
    invalid,
    read_fields,
    refuse_unknown,
    write_object,
    write_seconds,
)
from cinemill.core.pieces import count_film, nearest_frame
from cinemill.core.timeline import Timeline, Title
from cinemill.errors import InputRejected

MOST_TITLES = 10_000

TITLE_FIELDS: Mapping[str, Field] = {
    "text": Field("words", "What is written, line by line; nothing in it is markup", True),
    "from": Field("seconds", "Seconds of the film at which it appears; 0 without it"),
    "to": Field("seconds", "At which it is gone; the film's end without it"),
    "place": Field("place", "Where it stands; in the center without it"),
    "size": Field("share", "The height of a line, as a share of the picture's; 1/12 without it"),
    "colour": Field("colour", "Of the letters; white without it"),
    "fade_in": Field("seconds", "Seconds in which it comes"),
    "fade_out": Field("seconds", "Seconds in which it goes"),
}
_NAMES = {"fade_in": "fade_in_seconds", "fade_out": "fade_out_seconds"}


def read_titles(documents: Any, timeline: Timeline) -> tuple[Title, ...]:
    """Raises InputRejected, naming the title: ``timeline_invalid``, ``title_times_invalid``,
    ``timeline_too_long``."""
    titles = []
    for index, document in enumerate(_read_list(documents, "titles", MOST_TITLES)):
        values = _read_one(document, TITLE_FIELDS, timeline, f"Title {index}: ", "title")
        titles.append(Title(**values))
    return tuple(titles)


def _read_list(documents: Any, name: str, most: int) -> list[Any]:
    if documents is None:
        return []
    if not isinstance(documents, list | tuple):
        raise invalid("", f"{name} must be a list")
    if len(documents) > most:
        raise InputRejected(
            f"A timeline has at most {most} {name}, this has {len(documents)}.",
            code="timeline_too_long",
            way_on="Render it in parts, and the parts together.",
        )
    return list(documents)


def _read_one(
    document: Any, fields: Mapping[str, Field], timeline: Timeline, where: str, noun: str
) -> dict[str, Any]:
    """The values by our own names, with both times. Raises InputRejected."""
    if not isinstance(document, Mapping):
        raise invalid(where, f"a {noun} is a dictionary")
    refuse_unknown(document, set(fields), where)
    values = read_fields(document, fields, where)
    since = values.pop("from", Fraction(0))
    fps, frames = timeline.output.fps, count_film(timeline)
    until = values.pop("to", frames / fps)
    code = f"{noun}_times_invalid"
    if until <= since:
        times = f"{write_seconds(until)} s and begins at {write_seconds(since)} s"
        raise invalid(where, f"it ends at {times}", code)
    if nearest_frame(since, fps) >= frames:
        raise invalid(where, f"the film ends at {float(frames / fps):g} s, before it begins", code)
    until = min(until, frames / fps)
    if values.get("fade_in", 0) + values.get("fade_out", 0) > until - since:
        raise invalid(where, "its fades are longer than itself", code)
    return {
        "since": since,
        "until": until,
        **{_NAMES.get(name, name): value for name, value in values.items()},
    }


def write_lists() -> dict[str, Any]:
    """The JSON Schema of each list."""
    return {"titles": _write_list(TITLE_FIELDS, MOST_TITLES, "Words over the picture")}


def _write_list(fields: Mapping[str, Field], most: int, meaning: str) -> dict[str, Any]:
    items = write_object(fields)
    return {"description": meaning, "type": "array", "items": items, "maxItems": most}
