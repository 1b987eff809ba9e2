"""A timeline: clips one after the other, the transitions that join them, and what is over them.

Pure and exact: seconds are fractions. What a document may contain is in ``models``; how a timeline
is arranged in frames, in ``pieces``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, get_args

from cinemill.core.output import OutputFormat
from cinemill.errors import InputRejected

CUT = "cut"
DEFAULT_TRANSITION = "fade"
DEFAULT_TRANSITION_SECONDS = Fraction(1)
BLACK = "#000000"
WHITE = "#ffffff"

Place = Literal[
    "bottom-left",
    "bottom",
    "bottom-right",
    "left",
    "center",
    "right",
    "top-left",
    "top",
    "top-right",
]
PLACES: tuple[Place, ...] = get_args(Place)
"""Where something is in the picture, in the order in which ASS counts them from 1."""

# All of FFmpeg's xfade transitions except ``custom``, which takes a program.
TRANSITIONS = (
    *("fade", "wipeleft", "wiperight", "wipeup", "wipedown", "slideleft", "slideright", "slideup"),
    *("slidedown", "circlecrop", "rectcrop", "distance", "fadeblack", "fadewhite", "radial"),
    *("smoothleft", "smoothright", "smoothup", "smoothdown", "circleopen", "circleclose"),
    *("vertopen", "vertclose", "horzopen", "horzclose", "dissolve", "pixelize", "diagtl"),
    *("diagtr", "diagbl", "diagbr", "hlslice", "hrslice", "vuslice", "vdslice", "hblur"),
    *("fadegrays", "wipetl", "wipetr", "wipebl", "wipebr", "squeezeh", "squeezev", "zoomin"),
    *("fadefast", "fadeslow", "hlwind", "hrwind", "vuwind", "vdwind", "coverleft", "coverright"),
    *("coverup", "coverdown", "revealleft", "revealright", "revealup", "revealdown"),
)


@dataclass(frozen=True, slots=True)
class Source:
    """What a clip is a part of: either a path that the workers can read, or an asset."""

    path: str | None = None
    asset_id: str | None = None

    def to_json(self) -> dict[str, str]:
        """Return the member that is set."""
        named = {"path": self.path, "asset_id": self.asset_id}
        return {name: value for name, value in named.items() if value is not None}

    @classmethod
    def from_json(cls, document: Mapping[str, str]) -> Source:
        """Return the source that :meth:`to_json` wrote."""
        return cls(document.get("path"), document.get("asset_id"))


GAP = Source()
"""No video: the background, in silence."""


@dataclass(frozen=True, slots=True)
class Transition:
    """How a clip becomes the next one.

    Both are visible for ``seconds``, by which the video is shorter.
    """

    kind: str
    seconds: Fraction


@dataclass(frozen=True, slots=True)
class Clip:
    """The part of a video from ``start`` to before ``end``, seconds from its first frame."""

    source: Source
    start: Fraction
    end: Fraction
    transition: Transition | None = None
    """Into the next clip; None is a cut."""
    volume: Fraction = Fraction(1)
    """A factor of the audio's amplitude; 0 is silence."""
    fade_in_seconds: Fraction = Fraction(0)
    """From black and silence; on an upper track, from transparent."""
    fade_out_seconds: Fraction = Fraction(0)
    """To black and silence; on an upper track, to transparent."""

    @property
    def seconds(self) -> Fraction:
        return self.end - self.start

    @property
    def is_gap(self) -> bool:
        return self.source == GAP


@dataclass(frozen=True, slots=True)
class Title:
    """Text over the picture, from second ``since`` to before ``until`` of the whole video."""

    text: str
    since: Fraction
    until: Fraction
    place: str = "center"
    """One of :data:`PLACES`."""
    size: Fraction = Fraction(1, 12)
    """The height of a line, as a share of the picture's."""
    color: str = WHITE
    """As ``#rrggbb``."""
    fade_in_seconds: Fraction = Fraction(0)
    fade_out_seconds: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Overlay:
    """An image or a video over the picture.

    It is visible from second ``since`` to before ``until`` of the whole video.
    """

    source: Source
    since: Fraction
    until: Fraction
    name: str
    """What errors call it, such as ``Overlay 0``."""
    start: Fraction = Fraction(0)
    """Where a video begins to play, in its own seconds."""
    place: str = "center"
    size: Fraction = Fraction(1)
    """The box that it is fitted into, as a share of the picture's width and height."""
    opacity: Fraction = Fraction(1)
    fade_in_seconds: Fraction = Fraction(0)
    fade_out_seconds: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Sound:
    """Music or a voice with the audio of the clips; silence after its file has ended."""

    source: Source
    since: Fraction
    until: Fraction
    name: str
    start: Fraction = Fraction(0)
    volume: Fraction = Fraction(1)
    fade_in_seconds: Fraction = Fraction(0)
    fade_out_seconds: Fraction = Fraction(0)
    may_be_missing: bool = False
    """Whether its file may have no audio, as the video of a clip on an upper track."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """An edit, which is rendered into one video."""

    clips: tuple[Clip, ...]
    output: OutputFormat = field(default_factory=OutputFormat)
    subtitles: str | None = None
    """The path of an SRT or ASS file; its times are the timeline's."""
    use_gpu: bool = False
    titles: tuple[Title, ...] = ()
    background: str = BLACK
    """The color of gaps, and next to pictures of another shape, as ``#rrggbb``."""
    captions: str | None = None
    """The language of the videos' own captions that are burned in; not with ``subtitles``."""
    overlays: tuple[Overlay, ...] = ()
    """Each over those before it; titles and subtitles are over all of them."""
    sounds: tuple[Sound, ...] = ()

    @property
    def clip_sources(self) -> tuple[Source, ...]:
        """The videos of the clips, each once, in the order in which they are first used."""
        return tuple(dict.fromkeys(clip.source for clip in self.clips if not clip.is_gap))

    @property
    def sources(self) -> tuple[Source, ...]:
        """The videos of the clips, then the files of overlays and sounds, each once."""
        overlays = (overlay.source for overlay in self.overlays)
        sounds = (sound.source for sound in self.sounds)
        return tuple(dict.fromkeys((*self.clip_sources, *overlays, *sounds)))


def find_element_using(timeline: Timeline, source: Source) -> str:
    """Return the name of the first clip, overlay or sound that uses ``source``, for errors."""
    for index, clip in enumerate(timeline.clips):
        if clip.source == source:
            return name_clip(index)
    layers: list[Overlay | Sound] = [*timeline.overlays, *timeline.sounds]
    return next(one.name for one in layers if one.source == source)


def name_clip(index: int) -> str:
    """Return what errors call a clip of the first track."""
    return f"Clip {index}"


def reject_clip(index: int, message: str, code: str) -> InputRejected:
    """Return a rejection that begins with the clip."""
    return reject_element(name_clip(index), message, code)


def reject_element(name: str, message: str, code: str) -> InputRejected:
    """Return a rejection that begins with the clip, title, overlay or sound."""
    return InputRejected(
        f"{name}: {message}", code=code, hint="Elements are numbered from 0; correct this one."
    )


def with_location(name: str, error: InputRejected) -> InputRejected:
    """Return the same rejection, beginning with the element whose file it is about."""
    return InputRejected(f"{name}: {error.message}", code=error.code, hint=error.hint)
