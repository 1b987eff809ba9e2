"""The elements of a track as models: clips, gaps, and the transitions that join them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Any

from annotated_types import Len
from pydantic import (
    BeforeValidator,
    ConfigDict,
    Discriminator,
    GetJsonSchemaHandler,
    Tag,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from cinemill.capabilities.render.timeline.base_models import (
    SourcedDocument,
    TimelineModel,
    check_length,
)
from cinemill.capabilities.render.timeline.fields import (
    ClipSeconds,
    GapSeconds,
    Seconds,
    Text,
    TransitionKind,
    Volume,
)
from cinemill.capabilities.render.timeline.pieces import MOST_CLIPS
from cinemill.capabilities.render.timeline.timeline import CUT, TRANSITIONS
from cinemill.core.parameters import Expected, Listed, reject


class TransitionDocument(TimelineModel):
    """How a clip becomes the next one. Its kind alone stands for one of the default length."""

    model_config = ConfigDict(title="Transition")

    kind: TransitionKind
    """How the picture changes: one of FFmpeg's xfade transitions, or a cut."""
    seconds: Seconds | None = None
    """How long both clips are visible; the video is shorter by this. Default: 1."""

    @model_validator(mode="before")
    @classmethod
    def _expand_kind(cls, document: Any) -> Any:
        return {"kind": document} if isinstance(document, str) else document

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        by_kind = {"enum": [CUT, *TRANSITIONS]}
        described = super().__get_pydantic_json_schema__(schema, handler)
        return {"oneOf": [by_kind, handler.resolve_ref_schema(described)]}


class JoinedDocument(TimelineModel):
    """An element of a track, which a transition may join to the next one."""

    transition: (
        Annotated[
            TransitionDocument,
            Expected("the name of a transition, or an object with kind and seconds"),
        ]
        | None
    ) = None
    """Into the next clip; only the first track has transitions. Default: a cut."""


class ClipDocument(SourcedDocument, JoinedDocument):
    """A part of a video, with its audio."""

    model_config = ConfigDict(title="Clip")
    source_code = "clip_source_missing"

    start: ClipSeconds
    """Where the clip begins in its video, in seconds."""
    end: ClipSeconds
    """Where the clip ends in its video, in seconds; this moment is not part of it."""
    volume: Volume | None = None
    """A factor of the audio's amplitude; 0 is silence. Default: 1."""
    fade_in: Seconds | None = None
    """Seconds of fading in from black and silence; on an upper track, from transparent."""
    fade_out: Seconds | None = None
    """Seconds of fading out to black and silence; on an upper track, to transparent."""

    @model_validator(mode="after")
    def _check_times(self) -> ClipDocument:
        _check_order(self.start, self.end, "start", "end")
        return self


class GapDocument(JoinedDocument):
    """A time without a clip: the background and silence."""

    model_config = ConfigDict(title="Gap")

    gap: GapSeconds
    """How long it lasts, in seconds."""


class SceneDocument(TimelineModel):
    """A part of a video, as scripts pass it."""

    video_path: Text | None = None
    """Path of a video that the workers can read."""
    start_time: ClipSeconds
    """Where the scene begins in its video, in seconds."""
    end_time: ClipSeconds
    """Where the scene ends in its video, in seconds; this moment is not part of it."""

    @model_validator(mode="after")
    def _check(self) -> SceneDocument:
        if self.video_path is None:
            hint = "Give the path of a video that the workers can read."
            raise reject("video_path is missing.", code="clip_source_missing", hint=hint)
        _check_order(self.start_time, self.end_time, "start_time", "end_time")
        return self


def _check_order(start: Fraction, end: Fraction, start_name: str, end_name: str) -> None:
    if end <= start:
        raise reject(
            f"{end_name} must be after {start_name}, but it starts at {float(start):g} s "
            f"and ends at {float(end):g} s.",
            code="clip_times_invalid",
        )


def check_not_empty(clips: Sequence[TimelineModel]) -> None:
    """Reject clips of which nothing would be visible. Raises what a validator raises."""
    if not clips:
        raise reject("There are no clips in this timeline.", code="timeline_empty")
    if all(isinstance(clip, GapDocument) for clip in clips):
        raise reject("There are only gaps in this timeline.", code="timeline_empty")


def is_gap(element: Any) -> bool:
    """Return whether an element of a track's document is a gap."""
    return isinstance(element, dict) and "gap" in element


def _find_tag(document: Any) -> str:
    return GapDocument.__name__ if is_gap(document) else ClipDocument.__name__


def _limit_clips(value: Any) -> Any:
    check_length(value, "clips", MOST_CLIPS)
    return value


_CLIP = Expected("an object with start and end and a path or an asset_id, or with gap")
_SCENE = Expected("an object with video_path, start_time and end_time")
ClipOrGap = Annotated[
    Annotated[ClipDocument, Tag(ClipDocument.__name__), _CLIP]
    | Annotated[GapDocument, Tag(GapDocument.__name__), _CLIP],
    Discriminator(_find_tag),
]
Track = Annotated[
    Listed[ClipOrGap],
    Len(max_length=MOST_CLIPS),
    BeforeValidator(_limit_clips),
    Expected("a list of clips"),
]
Scenes = Annotated[
    Listed[Annotated[SceneDocument, _SCENE]],
    BeforeValidator(_limit_clips),
    Expected("a list of scenes"),
]
