"""What is laid over an edit, as a document says it: titles, pictures and sounds, and the tracks
above the first, which are films over it. Their times are the film's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from cinemill.capabilities.render.pieces.pieces import (
    MOST_OVERLAYS,
    SpanSweep,
    find_overlays,
    nearest_frame,
    split_into_pieces,
    total_frames,
)
from cinemill.capabilities.render.timeline.fields import (
    Field,
    invalid,
    read_fields,
    read_source,
    refuse_unknown,
    write_either,
    write_object,
    write_seconds,
)
from cinemill.capabilities.render.timeline.timeline import (
    Clip,
    Overlay,
    Sound,
    Timeline,
    Title,
    reject_element,
)
from cinemill.errors import InputRejected

MOST_LAID = 1000
"""Titles, overlays and sounds of a timeline, of each."""

_FROM = Field("seconds", "Seconds of the film at which it begins; 0 without it")
_TO = Field("seconds", "At which it ends; the film's end without it")
_PATH = Field("text", "Path of a file that the workers can read; or asset_id")
_ASSET = Field("text", "A film that is stored already; or path")
_START = Field("seconds", "Where its own file is entered, in seconds; 0 without it")
_FADES = {
    "fade_in": Field("seconds", "Seconds in which it comes"),
    "fade_out": Field("seconds", "Seconds in which it goes"),
}
TITLE_FIELDS: Mapping[str, Field] = {
    "text": Field("words", "What is written, line by line; nothing in it is markup", True),
    "from": _FROM,
    "to": _TO,
    "place": Field("place", "Where it stands; in the center without it"),
    "size": Field("share", "The height of a line, as a share of the picture's; 1/12 without it"),
    "colour": Field("colour", "Of the letters; white without it"),
    **_FADES,
}
OVERLAY_FIELDS: Mapping[str, Field] = {
    "path": _PATH,
    "asset_id": _ASSET,
    "from": _FROM,
    "to": _TO,
    "start": _START,
    "place": Field("place", "Where it stands; in the center without it"),
    "size": Field("share", "Of the box that it is fitted into, of the picture's; 1 without it"),
    "opacity": Field("share", "1 without it"),
    **_FADES,
}
SOUND_FIELDS: Mapping[str, Field] = {
    "path": _PATH,
    "asset_id": _ASSET,
    "from": _FROM,
    "to": _TO,
    "start": _START,
    "volume": Field("factor", "1 leaves it as it is, which it is without it"),
    **_FADES,
}
_NAMES = {"fade_in": "fade_in_seconds", "fade_out": "fade_out_seconds"}


@dataclass(frozen=True, slots=True)
class _Film:
    """How long it is that all lies over: counted once, for it may have ten thousand clips."""

    frames: int
    fps: Fraction

    @property
    def seconds(self) -> Fraction:
        return self.frames / self.fps


@dataclass(frozen=True, slots=True)
class Layers:
    """All that lies over the first track."""

    titles: tuple[Title, ...]
    overlays: tuple[Overlay, ...]
    sounds: tuple[Sound, ...]


def read_layers(
    document: Mapping[str, Any], tracks: Sequence[Sequence[Clip]], base: Timeline
) -> Layers:
    """``tracks`` are those above the first, whose timeline is ``base``.

    Raises InputRejected, naming what is at fault: ``timeline_invalid``, ``timeline_too_long``,
    ``clip_times_invalid``, ``title_times_invalid``, ``overlay_times_invalid``,
    ``sound_times_invalid``, ``overlay_source_missing``, ``sound_source_missing``.
    """
    film = _Film(total_frames(base), base.output.fps)
    overlays, sounds = _lay_tracks(tracks, film)
    titles = tuple(
        Title(**_read_one(one, TITLE_FIELDS, film, f"Title {index}", "title"))
        for index, one in enumerate(_read_list(document.get("titles"), "titles"))
    )
    for index, one in enumerate(_read_list(document.get("overlays"), "overlays")):
        name = f"Overlay {index}"
        overlays.append(Overlay(name=name, **_read_one(one, OVERLAY_FIELDS, film, name, "overlay")))
    for index, one in enumerate(_read_list(document.get("sounds"), "sounds")):
        name = f"Sound {index}"
        sounds.append(Sound(name=name, **_read_one(one, SOUND_FIELDS, film, name, "sound")))
    _refuse_many(len(overlays), "overlays")
    return Layers(titles, tuple(overlays), tuple(sounds))


def check_overlays(timeline: Timeline) -> None:
    """Raises InputRejected (``overlays_too_many``) where one command would have to open too many
    at once."""
    spans = find_overlays(timeline)
    if len(spans) <= MOST_OVERLAYS:
        return
    sweep = SpanSweep(spans)
    for piece in split_into_pieces(timeline):
        seen = [*sweep.find(piece.first, piece.end)]
        if len(seen) > MOST_OVERLAYS:
            raise InputRejected(
                f"{timeline.overlays[seen[MOST_OVERLAYS]].name}: it is one of {len(seen)} overlays "
                f"that are seen at {float(piece.first / timeline.output.fps):g} s; "
                f"at most {MOST_OVERLAYS} can be at once, or during one transition.",
                code="overlays_too_many",
                way_on="Put some of them into a film of their own first.",
            )


def _lay_tracks(tracks: Sequence[Sequence[Clip]], film: _Film) -> tuple[list[Overlay], list[Sound]]:
    """A clip of an upper track is a film over the whole picture, and its sound."""
    overlays: list[Overlay] = []
    sounds: list[Sound] = []
    for number, clips in enumerate(tracks, start=1):
        at = Fraction(0)
        for index, clip in enumerate(clips):
            since, at = at, at + clip.seconds
            if clip.is_gap:
                continue
            name = f"Track {number}, clip {index}"
            if since >= film.seconds:
                raise reject_element(name, "the first track ends before it.", "clip_times_invalid")
            if clip.fade_in_seconds + clip.fade_out_seconds > min(at, film.seconds) - since:
                fault = "its fades are longer than what the first track leaves of it."
                raise reject_element(name, fault, "clip_times_invalid")
            laid = (clip.source, since, min(at, film.seconds), name, clip.start)
            fades = (clip.fade_in_seconds, clip.fade_out_seconds)
            overlays.append(Overlay(*laid, "center", Fraction(1), Fraction(1), *fades))
            sounds.append(Sound(*laid, clip.volume, *fades, may_be_missing=True))
    return overlays, sounds


def _read_list(documents: Any, name: str) -> list[Any]:
    if documents is None:
        return []
    if not isinstance(documents, list | tuple):
        raise invalid("", f"{name} must be a list")
    _refuse_many(len(documents), name)
    return list(documents)


def _refuse_many(count: int, name: str) -> None:
    if count > MOST_LAID:
        raise InputRejected(
            f"A timeline has at most {MOST_LAID} {name}, this has {count}.",
            code="timeline_too_long",
            way_on="Render it in parts, and the parts together.",
        )


def _read_one(
    document: Any, fields: Mapping[str, Field], film: _Film, name: str, noun: str
) -> dict[str, Any]:
    """The values by our own names, with both times. Raises InputRejected."""
    where, code = f"{name}: ", f"{noun}_times_invalid"
    if not isinstance(document, Mapping):
        raise invalid(where, f"a {noun} is a dictionary")
    refuse_unknown(document, set(fields), where)
    values = read_fields(document, fields, where)
    if "path" in fields:
        values["source"] = read_source(values, where, f"{noun}_source_missing")
    values["since"] = since = values.pop("from", Fraction(0))
    until = values.pop("to", film.seconds)
    if until <= since:
        times = f"{write_seconds(until)} s and begins at {write_seconds(since)} s"
        raise invalid(where, f"it ends at {times}", code)
    if nearest_frame(since, film.fps) >= film.frames:
        raise invalid(where, f"the film ends at {float(film.seconds):g} s, before it begins", code)
    values["until"] = until = min(until, film.seconds)
    if values.get("fade_in", 0) + values.get("fade_out", 0) > until - since:
        raise invalid(where, "its fades are longer than itself", code)
    return {_NAMES.get(name, name): value for name, value in values.items()}


def write_lists() -> dict[str, Any]:
    """The JSON Schema of each list."""
    return {
        "titles": _write_list(write_object(TITLE_FIELDS), "Words over the picture"),
        "overlays": _write_list(
            write_either(write_object(OVERLAY_FIELDS)),
            "Pictures (PNG, JPEG, WebP) and films over the picture, without their sound",
        ),
        "sounds": _write_list(
            write_either(write_object(SOUND_FIELDS)),
            "Music and voices (MP3, AAC, WAV, FLAC, Ogg, or a film's) with the sound of the clips",
        ),
    }


def _write_list(items: dict[str, Any], meaning: str) -> dict[str, Any]:
    return {"description": meaning, "type": "array", "items": items, "maxItems": MOST_LAID}
