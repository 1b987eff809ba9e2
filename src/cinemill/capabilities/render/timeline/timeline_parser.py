"""A timeline out of its document, in either of its two forms, and the JSON Schema of the full one.

The models say what a document may contain. Here it becomes the :class:`Timeline` that is
rendered, every rejection names the clip, title, overlay or sound that it is about, and what
depends on the whole timeline is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from cinemill.capabilities.render.timeline.base_models import TimelineModel
from cinemill.capabilities.render.timeline.clip_models import (
    ClipDocument,
    GapDocument,
    SceneDocument,
    TransitionDocument,
)
from cinemill.capabilities.render.timeline.layer_parser import check_overlays, read_layers
from cinemill.capabilities.render.timeline.models import (
    OutputDocument,
    SceneListDocument,
    TimelineDocument,
)
from cinemill.capabilities.render.timeline.pieces import check_lengths, default_transition
from cinemill.capabilities.render.timeline.timeline import (
    BLACK,
    CUT,
    DEFAULT_TRANSITION_SECONDS,
    GAP,
    Clip,
    Source,
    Timeline,
    Transition,
    name_clip,
    reject_element,
)
from cinemill.core.output import OutputFormat
from cinemill.core.parameter_reader import Problem, dotted_name, find_problem
from cinemill.core.parameters import Location
from cinemill.errors import InputRejected

Document = TypeVar("Document", bound=TimelineModel)
_LAYERS = {"titles": "Title", "overlays": "Overlay", "sounds": "Sound"}


def read_timeline(document: Any) -> Timeline:
    """Return the timeline that a document of either form describes.

    Raises InputRejected, whose sentence begins with the clip, title, overlay or sound that it is
    about: ``timeline_invalid``, ``timeline_empty``, ``timeline_too_long``,
    ``clip_times_invalid``, ``clip_source_missing``, ``transition_unknown``,
    ``transition_too_long``, ``title_times_invalid``, ``overlay_times_invalid``,
    ``sound_times_invalid``, ``overlay_source_missing``, ``sound_source_missing``,
    ``overlays_too_many``.
    """
    if isinstance(document, dict) and "scenes" in document:
        return _read_scene_list(_validate(SceneListDocument, document))
    return _read_full(_validate(TimelineDocument, document))


def _validate(model: type[Document], document: Any) -> Document:
    try:
        return model.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        raise _name_element(find_problem(model, error, _name_member)) from None


def _name_element(problem: Problem) -> InputRejected:
    """Return the rejection, which begins with the element that it is about."""
    rejection = problem.as_refusal()
    element, _ = _split_location(problem.location)
    if not element:
        return rejection
    sentence = rejection.message[:1].lower() + rejection.message[1:]
    return InputRejected(f"{element}: {sentence}", code=problem.code, hint=rejection.hint)


def _name_member(location: Location) -> str:
    """Return how a member is called in a sentence that begins with its element."""
    element, members = _split_location(location)
    if members:
        return dotted_name(members)
    return "it" if element else "A timeline"


def _split_location(location: Location) -> tuple[str, Location]:
    """Return the name of the element that a location is in, empty for none, and the rest."""
    match location:
        case ("clips" | "scenes", int(index), *rest) | ("tracks", 0, int(index), *rest):
            return name_clip(index), tuple(rest)
        case ("tracks", int(track), int(index), *rest):
            return name_upper_clip(track, index), tuple(rest)
        case ("tracks", int(track), *rest):
            return f"Track {track}", tuple(rest)
        case (str(layer), int(index), *rest) if layer in _LAYERS:
            return f"{_LAYERS[layer]} {index}", tuple(rest)
        case whole:
            return "", whole


def name_upper_clip(track: int, index: int) -> str:
    """Return what sentences call a clip of a track over the first."""
    return f"Track {track}, clip {index}"


def _read_scene_list(document: SceneListDocument) -> Timeline:
    timeline = Timeline(
        tuple(_read_scene(scene) for scene in document.scenes),
        _read_output(document.output_format),
        subtitles=document.subtitles,
        captions=document.captions,
        use_gpu=bool(document.use_gpu),
    )
    if document.transitions:
        timeline = _join_scenes(timeline)
    check_lengths(timeline)
    return timeline


def _read_full(document: TimelineDocument) -> Timeline:
    first, *upper = document.all_tracks
    base = Timeline(
        tuple(_read_clip(clip) for clip in first),
        _read_output(document.output),
        subtitles=document.subtitles,
        captions=document.captions,
        use_gpu=bool(document.use_gpu),
        background=document.background or BLACK,
    )
    check_lengths(base)
    tracks = [_read_upper(clips, number) for number, clips in enumerate(upper, start=1)]
    layers = read_layers(document, tracks, base)
    timeline = replace(base, titles=layers.titles, overlays=layers.overlays, sounds=layers.sounds)
    check_overlays(timeline)
    return timeline


def _read_upper(
    documents: Sequence[ClipDocument | GapDocument], track: int
) -> list[tuple[str, Clip]]:
    """Return the clips of a track over the first, each with its name."""
    clips = []
    for index, document in enumerate(documents):
        name, clip = name_upper_clip(track, index), _read_clip(document)
        if clip.transition is not None:
            fault = "only the first track has transitions."
            raise reject_element(name, fault, "timeline_invalid")
        if clip.fade_in_seconds + clip.fade_out_seconds > clip.seconds:
            fault = "its fades are longer than the clip itself."
            raise reject_element(name, fault, "clip_times_invalid")
        clips.append((name, clip))
    return clips


def _join_scenes(timeline: Timeline) -> Timeline:
    """Put the default transition between all scenes that are long enough for it."""
    clips = list(timeline.clips)
    for index in range(len(clips) - 1):
        transition = default_transition(clips[index], clips[index + 1], timeline.output.fps)
        clips[index] = replace(clips[index], transition=transition)
    return replace(timeline, clips=tuple(clips))


def _read_output(document: OutputDocument | None) -> OutputFormat:
    usual = OutputFormat()
    if document is None:
        return usual
    return OutputFormat(
        document.width or usual.width, document.height or usual.height, document.fps or usual.fps
    )


def _read_scene(scene: SceneDocument) -> Clip:
    return Clip(Source(scene.video_path), scene.start_time, scene.end_time)


_ONE, _ZERO = Fraction(1), Fraction(0)


def _read_clip(document: ClipDocument | GapDocument) -> Clip:
    transition = _read_transition(document.transition)
    if isinstance(document, GapDocument):
        return Clip(GAP, _ZERO, document.gap, transition)
    return Clip(
        document.source,
        document.start,
        document.end,
        transition,
        _ONE if document.volume is None else document.volume,
        document.fade_in or _ZERO,
        document.fade_out or _ZERO,
    )


def _read_transition(document: TransitionDocument | None) -> Transition | None:
    if document is None or document.kind == CUT:
        return None
    seconds = DEFAULT_TRANSITION_SECONDS if document.seconds is None else document.seconds
    return Transition(document.kind, seconds) if seconds else None


class _TimelineSchema(GenerateJsonSchema):
    """JSON Schema for readers and editors: without a title for each member or null as a default."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        document = super().default_schema(schema)
        if document.get("default", ...) is None:
            del document["default"]
        return document


def write_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the full form, from its models."""
    document = TimelineDocument.model_json_schema(schema_generator=_TimelineSchema)
    return {"$schema": GenerateJsonSchema.schema_dialect, **document}
