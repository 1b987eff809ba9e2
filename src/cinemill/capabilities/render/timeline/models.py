"""A timeline's document as models: its members, their bounds, and what must agree within it.

Two forms are accepted. Scripts pass the short one (:class:`SceneListDocument`); the full one
(:class:`TimelineDocument`) is what the JSON Schema describes. What depends on more than one
element, such as the length of the whole video, is checked by ``timeline_parser`` and
``layer_parser``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from annotated_types import Len
from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from cinemill.capabilities.render.timeline.base_models import (
    TimelineModel,
    check_length,
    exactly_one,
)
from cinemill.capabilities.render.timeline.clip_models import (
    ClipDocument,
    GapDocument,
    Scenes,
    Track,
    check_not_empty,
    is_gap,
)
from cinemill.capabilities.render.timeline.fields import Color, FrameRate, SidePixels, Text
from cinemill.capabilities.render.timeline.layer_models import (
    MAX_LAYER_ELEMENTS,
    Overlays,
    Sounds,
    Titles,
)
from cinemill.core.parameters import Expected, Listed, reject

MAX_TRACKS = 16
_TRACKS = Expected(f"a list of 1 to {MAX_TRACKS} lists of clips")
_OUTPUT = Expected("an object with width, height and fps")


def _limit_upper_clips(tracks: Any) -> Any:
    """Reject upper tracks with too many clips before a model of each fills the memory."""
    if isinstance(tracks, list | tuple):
        upper = [one for one in tracks[1:] if isinstance(one, list | tuple)]
        clips = [one for track in upper for one in track if not is_gap(one)]
        check_length(clips, "overlays", MAX_LAYER_ELEMENTS)
    return tracks


class OutputDocument(TimelineModel):
    """The format of the rendered video."""

    model_config = ConfigDict(title="Output")

    width: SidePixels | None = None
    """Pixels, an even number. Default: 1920."""
    height: SidePixels | None = None
    """Pixels, an even number. Default: 1080."""
    fps: FrameRate | None = None
    """Frames per second, such as 25, 23.976 or 30000/1001. Default: 30."""


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
    """A timeline, which is rendered into one video."""

    model_config = ConfigDict(title="Timeline", json_schema_extra=exactly_one("clips", "tracks"))

    clips: Annotated[Track, Field(json_schema_extra={"minItems": 1})] | None = None
    """The clips, one after the other. Either these or tracks are required."""
    tracks: (
        Annotated[Listed[Track], Len(1, MAX_TRACKS), BeforeValidator(_limit_upper_clips), _TRACKS]
        | None
    ) = None
    """In place of clips: the first track is like clips, and the others are over it."""
    titles: Titles | None = None
    """Text over the picture."""
    overlays: Overlays | None = None
    """Images (PNG, JPEG, WebP) and videos over the picture, without their audio."""
    sounds: Sounds | None = None
    """Music and voices (MP3, AAC, WAV, FLAC, Ogg, or a video's) with the audio of the clips."""
    output: Annotated[OutputDocument, _OUTPUT] | None = None
    """The format of the rendered video."""
    background: Color | None = None
    """The color of gaps, and next to pictures of another shape. Default: #000000."""

    @model_validator(mode="after")
    def _check_clips(self) -> TimelineDocument:
        if self.clips is not None and self.tracks is not None:
            raise reject("A timeline has either clips or tracks, not both.", hint="Leave one out.")
        if self.clips is None and self.tracks is None:
            raise reject("A timeline needs clips.", hint="Give a list of them as clips or scenes.")
        check_not_empty(self.all_tracks[0])
        return self

    @property
    def all_tracks(self) -> Sequence[Sequence[ClipDocument | GapDocument]]:
        """The tracks from the lowest, which all others are over, to the highest."""
        return self.tracks if self.tracks is not None else (self.clips or (),)


class SceneListDocument(CommonDocument):
    """A timeline as scripts pass it."""

    scenes: Scenes
    """The scenes, one after the other."""
    output_format: Annotated[OutputDocument, _OUTPUT] | None = None
    """The format of the rendered video."""
    transitions: bool | None = None
    """Whether the default transition joins all scenes that are long enough for it."""

    @model_validator(mode="after")
    def _check_scenes(self) -> SceneListDocument:
        check_not_empty(self.scenes)
        return self
