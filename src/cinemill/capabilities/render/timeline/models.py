"""A timeline's document as models: its members, their bounds, and what must agree within each.

Two forms are accepted. Scripts pass the short one (:class:`SceneListDocument`); the full one
(:class:`TimelineDocument`) is what the JSON Schema describes. What depends on more than one
element, such as the length of the whole video, is checked by ``timeline_parser`` and
``layer_parser``.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Any, TypeVar

from annotated_types import Len
from pydantic import (
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    Tag,
    ValidationInfo,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from cinemill.capabilities.render.pieces.pieces import MOST_CLIPS
from cinemill.capabilities.render.timeline.fields import (
    ClipSeconds,
    Color,
    FrameRate,
    GapSeconds,
    Seconds,
    Share,
    SidePixels,
    Text,
    TransitionKind,
    VisibleText,
    Volume,
)
from cinemill.capabilities.render.timeline.timeline import CUT, TRANSITIONS, Place
from cinemill.core.parameters import Expected, Listed, Parameters, reject
from cinemill.errors import InputRejected

Item = TypeVar("Item")
MAX_LAYER_ELEMENTS = 1000
"""Of titles, of overlays and of sounds, each."""
MAX_TRACKS = 16


def reject_length(noun: str, maximum: int, count: int) -> InputRejected:
    """Return the rejection of a list of count elements, of which there may be maximum."""
    return InputRejected(
        f"A timeline has at most {maximum} {noun}, and this one has {count}.",
        code="timeline_too_long",
        way_on="Render it in parts, and then join the parts.",
    )


def _limit_clips(value: Any) -> Any:
    """Reject a long list before any of its clips is read."""
    _check_length(value, "clips", MOST_CLIPS)
    return value


def _limit_layer(value: Any, info: ValidationInfo) -> Any:
    """Reject a long list before any of its elements is read."""
    _check_length(value, str(info.field_name), MAX_LAYER_ELEMENTS)
    return value


def _check_length(value: Any, noun: str, maximum: int) -> None:
    if isinstance(value, list | tuple) and len(value) > maximum:
        error = reject_length(noun, maximum, len(value))
        raise reject(error.message, code=error.code, hint=error.way_on)


def _check_source(path: str | None, asset_id: str | None, code: str) -> None:
    if path is None and asset_id is None:
        raise reject(
            "it has neither a path nor an asset_id.",
            code=code,
            hint="Give the path of a file that the workers can read, or the id of a stored asset.",
        )
    if path is not None and asset_id is not None:
        raise reject(
            "it has both a path and an asset_id.", code=code, hint="Leave one of the two out."
        )


def _exactly_one(*names: str) -> dict[str, Any]:
    """Return the JSON Schema of an object of whose members names exactly one is not null."""
    return {
        "oneOf": [
            {"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in names
        ]
    }


class TimelineModel(Parameters):
    """The base of all objects in a timeline."""

    error_code = "timeline_invalid"


class TransitionDocument(TimelineModel):
    """How a clip becomes the next one. Its kind alone stands for one of the default length."""

    model_config = ConfigDict(title="Transition")

    kind: TransitionKind
    """How the picture changes: one of FFmpeg's xfade transitions, or a cut."""
    seconds: Seconds | None = None
    """How long both clips are visible; the video is shorter by this. Default: 1."""

    @model_validator(mode="before")
    @classmethod
    def _expand_name(cls, document: Any) -> Any:
        return {"kind": document} if isinstance(document, str) else document

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        by_name = {"enum": [CUT, *TRANSITIONS]}
        return {"oneOf": [by_name, handler.resolve_ref_schema(handler(schema))]}


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


class ClipDocument(JoinedDocument):
    """A part of a video, with its audio."""

    model_config = ConfigDict(title="Clip", json_schema_extra=_exactly_one("path", "asset_id"))

    path: Text | None = None
    """Path of a video that the workers can read. Either this or asset_id is required."""
    asset_id: Text | None = None
    """Id of a stored asset. Either this or path is required."""
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
    def _check(self) -> ClipDocument:
        _check_source(self.path, self.asset_id, "clip_source_missing")
        _check_times(self.start, self.end, "start", "end")
        return self


class GapDocument(JoinedDocument):
    """A time without a clip: the background and silence."""

    model_config = ConfigDict(title="Gap")

    gap: GapSeconds
    """How long it lasts, in seconds."""


def _check_times(start: Fraction, end: Fraction, start_name: str, end_name: str) -> None:
    if end <= start:
        raise reject(
            f"{end_name} must be after {start_name}, but it starts at {float(start):g} s "
            f"and ends at {float(end):g} s.",
            code="clip_times_invalid",
        )


def _tag_clip(document: Any) -> str:
    is_gap = isinstance(document, dict) and "gap" in document
    return GapDocument.__name__ if is_gap else ClipDocument.__name__


_A_CLIP = Expected("an object with start and end and a path or an asset_id, or with gap")
ClipOrGap = Annotated[
    Annotated[ClipDocument, Tag(ClipDocument.__name__), _A_CLIP]
    | Annotated[GapDocument, Tag(GapDocument.__name__), _A_CLIP],
    Discriminator(_tag_clip),
]
Track = Annotated[
    Listed[ClipOrGap],
    Len(max_length=MOST_CLIPS),
    BeforeValidator(_limit_clips),
    Expected("a list of clips"),
]
LayerList = Annotated[
    Listed[Item], Len(max_length=MAX_LAYER_ELEMENTS), BeforeValidator(_limit_layer)
]


def _check_not_empty(clips: Sequence[TimelineModel]) -> None:
    if not clips:
        raise reject("There are no clips in this timeline.", code="timeline_empty")
    if all(isinstance(clip, GapDocument) for clip in clips):
        raise reject("There are only gaps in this timeline.", code="timeline_empty")


class OutputDocument(TimelineModel):
    """The format of the rendered video."""

    model_config = ConfigDict(title="Output")

    width: SidePixels | None = None
    """Pixels, an even number. Default: 1920."""
    height: SidePixels | None = None
    """Pixels, an even number. Default: 1080."""
    fps: FrameRate | None = None
    """Frames per second, such as 25, 23.976 or 30000/1001. Default: 30."""


Output = Annotated[OutputDocument, Expected("an object with width, height and fps")]


class LayerDocument(TimelineModel):
    """An element over the clips, or its audio with theirs. Its times are the finished video's."""

    since: Annotated[Seconds | None, Field(alias="from")] = None
    """Seconds of the video at which it begins. Default: 0."""
    until: Annotated[Seconds | None, Field(alias="to")] = None
    """Seconds of the video at which it ends. Default: the end of the video."""
    fade_in: Seconds | None = None
    """Seconds of fading in. Default: 0."""
    fade_out: Seconds | None = None
    """Seconds of fading out. Default: 0."""


class TitleDocument(LayerDocument):
    """Text over the picture."""

    model_config = ConfigDict(title="Title")

    text: VisibleText
    """The text, line by line; it has no markup."""
    place: Place | None = None
    """Where it is. Default: center."""
    size: Share | None = None
    """The height of a line, as a share of the picture's height. Default: 1/12."""
    colour: Color | None = None
    """The color of the letters. Default: #ffffff."""


class OverlayDocument(LayerDocument):
    """A picture or a video over the picture."""

    model_config = ConfigDict(title="Overlay", json_schema_extra=_exactly_one("path", "asset_id"))

    path: Text | None = None
    """Path of a file that the workers can read. Either this or asset_id is required."""
    asset_id: Text | None = None
    """Id of a stored asset. Either this or path is required."""
    start: Seconds | None = None
    """Of a video: where it is entered, in seconds. Default: 0."""
    place: Place | None = None
    """Where it is. Default: center."""
    size: Share | None = None
    """The box that it is fitted into, as a share of the picture's width and height. Default: 1."""
    opacity: Share | None = None
    """Default: 1."""

    @model_validator(mode="after")
    def _check(self) -> OverlayDocument:
        _check_source(self.path, self.asset_id, "overlay_source_missing")
        return self


class SoundDocument(LayerDocument):
    """Music or a voice, mixed with the audio of the clips."""

    model_config = ConfigDict(title="Sound", json_schema_extra=_exactly_one("path", "asset_id"))

    path: Text | None = None
    """Path of a file that the workers can read. Either this or asset_id is required."""
    asset_id: Text | None = None
    """Id of a stored asset. Either this or path is required."""
    start: Seconds | None = None
    """Where its file is entered, in seconds. Default: 0."""
    volume: Volume | None = None
    """A factor of the amplitude. Default: 1."""

    @model_validator(mode="after")
    def _check(self) -> SoundDocument:
        _check_source(self.path, self.asset_id, "sound_source_missing")
        return self


_WITH_SOURCE = Expected("an object with a path or an asset_id")


class CommonDocument(TimelineModel):
    """The members that both forms of a timeline have."""

    subtitles: Text | None = None
    """Path of an SRT or ASS file to burn in. Not together with captions."""
    captions: Text | None = None
    """Language of the videos' own captions to burn in. Not together with subtitles."""
    use_gpu: bool | None = None
    """Encode on a GPU where a worker has one. Default: false."""

    @model_validator(mode="after")
    def _check_subtitles(self) -> CommonDocument:
        if self.subtitles is not None and self.captions is not None:
            raise reject(
                "A timeline burns in subtitles from a file or the videos' own captions, not both.",
                hint="Leave subtitles or captions out.",
            )
        return self


class TimelineDocument(CommonDocument):
    """A timeline that render_video renders into one video."""

    model_config = ConfigDict(title="Timeline", json_schema_extra=_exactly_one("clips", "tracks"))

    clips: Annotated[Track, Field(json_schema_extra={"minItems": 1})] | None = None
    """The clips, one after the other. Either these or tracks are required."""
    tracks: (
        Annotated[
            Listed[Track],
            Len(1, MAX_TRACKS),
            Expected(f"a list of 1 to {MAX_TRACKS} lists of clips"),
        ]
        | None
    ) = None
    """In place of clips: the first track is like clips, the others are over it."""
    titles: LayerList[Annotated[TitleDocument, Expected("an object with text")]] | None = None
    """Text over the picture."""
    overlays: LayerList[Annotated[OverlayDocument, _WITH_SOURCE]] | None = None
    """Pictures (PNG, JPEG, WebP) and videos over the picture, without their audio."""
    sounds: LayerList[Annotated[SoundDocument, _WITH_SOURCE]] | None = None
    """Music and voices (MP3, AAC, WAV, FLAC, Ogg, or a video's) with the audio of the clips."""
    output: Output | None = None
    """The format of the rendered video."""
    background: Color | None = None
    """In gaps, and next to pictures of another shape. Default: #000000."""

    @model_validator(mode="after")
    def _check_clips(self) -> TimelineDocument:
        if self.clips is not None and self.tracks is not None:
            raise reject("A timeline has either clips or tracks, not both.", hint="Leave one out.")
        if self.clips is None and self.tracks is None:
            raise reject("A timeline needs clips.", hint="Give a list of them as clips or scenes.")
        _check_not_empty(self.first_track)
        return self

    @property
    def first_track(self) -> Sequence[ClipDocument | GapDocument]:
        """The clips that all other elements are over."""
        return self.all_tracks[0]

    @property
    def all_tracks(self) -> Sequence[Sequence[ClipDocument | GapDocument]]:
        """The tracks from the lowest to the highest."""
        return self.tracks if self.tracks is not None else (self.clips or (),)


class SceneDocument(TimelineModel):
    """A part of a video, as scripts pass it."""

    video_path: Text | None = None
    start_time: ClipSeconds
    end_time: ClipSeconds

    @model_validator(mode="after")
    def _check(self) -> SceneDocument:
        if self.video_path is None:
            raise reject(
                "video_path is missing.",
                code="clip_source_missing",
                hint="Give the path of a video that the workers can read.",
            )
        _check_times(self.start_time, self.end_time, "start_time", "end_time")
        return self


class SceneListDocument(CommonDocument):
    """A timeline as scripts pass it."""

    scenes: Annotated[
        Listed[
            Annotated[SceneDocument, Expected("an object with video_path, start_time and end_time")]
        ],
        BeforeValidator(_limit_clips),
    ]
    output_format: Output | None = None
    transitions: bool | None = None
    """True joins all scenes with the default transition, as far as they are long enough."""

    @model_validator(mode="after")
    def _check_scenes(self) -> SceneListDocument:
        _check_not_empty(self.scenes)
        return self
