"""What a timeline looks like as a document: one table for whoever reads it and for its schema.

Two forms are read. The small one, which scripts pass (``scenes``, ``video_path``, ``start_time``,
``end_time``, ``transitions``), and the fuller one (``clips``), which the schema describes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from cinemill.capabilities.render.pieces.pieces import MOST_CLIPS, check_lengths, default_transition
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
from cinemill.capabilities.render.timeline.layer_parser import (
    check_overlays,
    read_layers,
    write_lists,
)
from cinemill.capabilities.render.timeline.timeline import (
    CUT,
    DEFAULT_TRANSITION_SECONDS,
    GAP,
    TRANSITIONS,
    Clip,
    Timeline,
    Transition,
    name_clip,
)
from cinemill.core.documents import quote
from cinemill.core.output import OutputFormat
from cinemill.errors import InputRejected

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
    "fade_in": Field("seconds", "Seconds from black and silence; on an upper track, from clear"),
    "fade_out": Field("seconds", "Seconds to black and silence; on an upper track, to clear"),
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
    "captions": Field("text", "Or the language of the films' own captions, to be burned in"),
    "use_gpu": Field("flag", "Encode on a GPU where there is one"),
}
GAP_FIELDS: Mapping[str, Field] = {
    "gap": Field("seconds", "Seconds of background and silence", True, "clip_times_invalid"),
}
FULL_FIELDS: Mapping[str, Field] = {
    "background": Field("colour", "In gaps and beside pictures of another shape; black without it"),
}
MOST_TRACKS = 16
_SCENE_NAMES = {"video_path": "path", "start_time": "start", "end_time": "end"}


def read_timeline(document: Any) -> Timeline:
    """A timeline out of either form.

    Raises InputRejected, with the index of the clip, or of the title, that is at fault:
    ``timeline_invalid``, ``timeline_empty``, ``timeline_too_long``, ``clip_times_invalid``,
    ``clip_source_missing``, ``transition_unknown``, ``transition_too_long``,
    ``title_times_invalid``.
    """
    if not isinstance(document, Mapping):
        raise invalid("", "a timeline is a dictionary with clips or scenes")
    timeline = _read_small(document) if "scenes" in document else _read_full(document)
    if timeline.subtitles is not None and timeline.captions is not None:
        raise invalid("", "a timeline has subtitles of a file or its films' captions, not both")
    return timeline


def _read_small(document: Mapping[str, Any]) -> Timeline:
    refuse_unknown(document, {"scenes", "output_format", "transitions", *TIMELINE_FIELDS}, "")
    values = read_fields(document, TIMELINE_FIELDS, "")
    output = _read_output(document.get("output_format"))
    clips = _read_clips(document.get("scenes"), is_small=True)
    timeline = _join_scenes(Timeline(clips, output, **values), document.get("transitions"))
    check_lengths(timeline)
    return timeline


def _read_full(document: Mapping[str, Any]) -> Timeline:
    fields = {**TIMELINE_FIELDS, **FULL_FIELDS}
    refuse_unknown(document, {"clips", "tracks", "output", *write_lists(), *fields}, "")
    values = read_fields(document, fields, "")
    output = _read_output(document.get("output"))
    clips, *upper = _read_tracks(document)
    base = Timeline(clips, output, **values)
    check_lengths(base)
    layers = read_layers(document, upper, base)
    timeline = replace(base, titles=layers.titles, overlays=layers.overlays, sounds=layers.sounds)
    check_overlays(timeline)
    return timeline


def _read_tracks(document: Mapping[str, Any]) -> list[tuple[Clip, ...]]:
    """The first of them is what the others lie over."""
    tracks = document.get("tracks")
    if tracks is None:
        return [_read_clips(document.get("clips"), is_small=False)]
    if document.get("clips") is not None:
        raise invalid("", "a timeline has clips or tracks, and not both")
    if not isinstance(tracks, list | tuple) or not 0 < len(tracks) <= MOST_TRACKS:
        raise invalid("", f"tracks must be a list of 1 to {MOST_TRACKS} lists of clips")
    upper = [_read_upper(clips, number) for number, clips in enumerate(tracks[1:], start=1)]
    return [_read_clips(tracks[0], is_small=False), *upper]


def _read_upper(documents: Any, number: int) -> tuple[Clip, ...]:
    if not isinstance(documents, list | tuple):
        raise invalid(f"Track {number}: ", "it must be a list of clips")
    if len(documents) > MOST_CLIPS:
        raise _too_long(f"Track {number}", len(documents))
    clips = []
    for index, document in enumerate(documents):
        where = f"Track {number}, clip {index}: "
        clip = _read_clip(document, where)
        if clip.transition is not None:
            raise invalid(where, "only the first track has transitions")
        if clip.fade_in_seconds + clip.fade_out_seconds > clip.seconds:
            raise invalid(where, "its fades are longer than itself", "clip_times_invalid")
        clips.append(clip)
    return tuple(clips)


def _join_scenes(timeline: Timeline, wish: Any) -> Timeline:
    """``transitions``: True puts the default between all scenes, as long as they leave room."""
    if wish is None:
        return timeline
    if not isinstance(wish, bool):
        raise invalid("", f"transitions must be True or False, not {quote(wish)}")
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
        raise invalid("", "the output format is a dictionary with width, height and fps")
    refuse_unknown(document, set(OUTPUT_FIELDS), "")
    values = read_fields(document, OUTPUT_FIELDS, "")
    return OutputFormat(**values)


def _read_clips(documents: Any, is_small: bool) -> tuple[Clip, ...]:
    if not isinstance(documents, list | tuple):
        raise invalid("", f"{'scenes' if is_small else 'clips'} must be a list")
    if not documents:
        raise InputRejected("There are no clips in this timeline.", code="timeline_empty")
    if len(documents) > MOST_CLIPS:
        raise _too_long(f"Clip {MOST_CLIPS}", len(documents))
    read = _read_scene if is_small else _read_clip
    clips = tuple(read(one, f"{name_clip(index)}: ") for index, one in enumerate(documents))
    if all(clip.is_gap for clip in clips):
        raise InputRejected("There are only gaps in this timeline.", code="timeline_empty")
    return clips


def _too_long(where: str, count: int) -> InputRejected:
    return InputRejected(
        f"{where}: a timeline has at most {MOST_CLIPS} clips, this has {count}.",
        code="timeline_too_long",
        way_on="Render it in parts, and the parts together.",
    )


def _read_scene(document: Any, where: str) -> Clip:
    if not isinstance(document, Mapping):
        raise invalid(where, "a scene is a dictionary")
    refuse_unknown(document, set(_SCENE_NAMES), where)
    return _read_clip({_SCENE_NAMES[name]: value for name, value in document.items()}, where)


def _read_clip(document: Any, where: str) -> Clip:
    if not isinstance(document, Mapping):
        raise invalid(where, "a clip is a dictionary")
    if "gap" in document:
        return _read_gap(document, where)
    refuse_unknown(document, {*CLIP_FIELDS, "transition"}, where)
    values = read_fields(document, CLIP_FIELDS, where)
    source = read_source(values, where, "clip_source_missing")
    if values["end"] <= values["start"]:
        start, end = (write_seconds(values[name]) for name in ("start", "end"))
        raise invalid(where, f"it ends at {end} s and starts at {start} s", "clip_times_invalid")
    return Clip(
        source,
        values["start"],
        values["end"],
        _read_transition(document.get("transition"), where),
        values.get("volume", Fraction(1)),
        values.get("fade_in", Fraction(0)),
        values.get("fade_out", Fraction(0)),
    )


def _read_gap(document: Mapping[str, Any], where: str) -> Clip:
    refuse_unknown(document, {*GAP_FIELDS, "transition"}, where)
    seconds = read_fields(document, GAP_FIELDS, where)["gap"]
    if not seconds:
        raise invalid(where, "a gap of no length", "clip_times_invalid")
    transition = _read_transition(document.get("transition"), where)
    return Clip(GAP, Fraction(0), seconds, transition)


def _read_transition(document: Any, where: str) -> Transition | None:
    """A kind by its name alone lasts the default time. Raises InputRejected."""
    if isinstance(document, str):
        document = {"kind": document}
    if document is None:
        return None
    if not isinstance(document, Mapping):
        raise invalid(where, "a transition is a dictionary with kind and seconds")
    refuse_unknown(document, set(TRANSITION_FIELDS), where)
    values = read_fields(document, TRANSITION_FIELDS, where)
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


def write_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the fuller form, from the tables that it is read by."""
    transition = write_object(TRANSITION_FIELDS)
    transition["properties"]["kind"]["enum"] = [CUT, *TRANSITIONS]
    clip, gap = write_object(CLIP_FIELDS), write_object(GAP_FIELDS)
    for one in (clip, gap):
        one["properties"]["transition"] = {
            "description": "Into the next clip; without it, a cut",
            "oneOf": [{"enum": [CUT, *TRANSITIONS]}, transition],
        }
    items = {"oneOf": [write_either(clip), gap]}
    clips = {"type": "array", "items": items, "minItems": 1, "maxItems": MOST_CLIPS}
    tracks = {
        "description": "In place of clips: the first as clips are, the others over it",
        "type": "array",
        "items": {"type": "array", "items": items, "maxItems": MOST_CLIPS},
        "minItems": 1,
        "maxItems": MOST_TRACKS,
    }
    document = write_object({**TIMELINE_FIELDS, **FULL_FIELDS})
    document["properties"] |= {"clips": clips, "tracks": tracks, **write_lists()}
    document["properties"] |= {"output": write_object(OUTPUT_FIELDS)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Timeline",
        **document,
        "oneOf": [{"required": ["clips"]}, {"required": ["tracks"]}],
    }
