"""An edit: clips in order on one track of picture, each with its sound, what joins them, and what
is laid over them.

Pure and exact: seconds are fractions. What a document may say is in ``timeline_form``; how an edit
is laid out in frames, in ``pieces``.
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
"""Of something in the picture; in the order in which ASS counts them from 1."""

# FFmpeg's xfade by name, but for ``custom``, which takes a program.
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
    """Where a clip's film is: a path that the workers can read, or an asset. One of the two."""

    path: str | None = None
    asset_id: str | None = None

    def to_json(self) -> dict[str, str]:
        named = {"path": self.path, "asset_id": self.asset_id}
        return {name: value for name, value in named.items() if value is not None}

    @classmethod
    def from_json(cls, document: Mapping[str, str]) -> Source:
        """The inverse of :meth:`to_json`."""
        return cls(document.get("path"), document.get("asset_id"))


GAP = Source()
"""No film: the background, in silence."""


@dataclass(frozen=True, slots=True)
class Transition:
    """How a clip becomes the next: both are seen for ``seconds``, so that the film is as much
    shorter."""

    kind: str
    seconds: Fraction


@dataclass(frozen=True, slots=True)
class Clip:
    """The half-open stretch from ``start`` to ``end`` of a film, seconds from its first picture."""

    source: Source
    start: Fraction
    end: Fraction
    transition: Transition | None = None
    """Into the next clip; None is a cut."""
    volume: Fraction = Fraction(1)
    """A factor of the sound's amplitude; 0 is silence."""
    fade_in_seconds: Fraction = Fraction(0)
    """From black and silence; of an upper track, from clear."""
    fade_out_seconds: Fraction = Fraction(0)
    """To black and silence; of an upper track, to clear."""

    @property
    def seconds(self) -> Fraction:
        return self.end - self.start

    @property
    def is_gap(self) -> bool:
        return self.source == GAP


@dataclass(frozen=True, slots=True)
class Title:
    """Words over the picture, seconds ``since`` to before ``until`` of the film."""

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
    """A still picture or a film over the picture, seconds ``since`` to before ``until`` of the
    film."""

    source: Source
    since: Fraction
    until: Fraction
    name: str
    """What the document calls it, to be told when it is at fault."""
    start: Fraction = Fraction(0)
    """Of a film: where it is entered."""
    place: str = "center"
    size: Fraction = Fraction(1)
    """Of the box that it is fitted into, as a share of the picture's width and height."""
    opacity: Fraction = Fraction(1)
    fade_in_seconds: Fraction = Fraction(0)
    fade_out_seconds: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Sound:
    """Music or a voice with the sound of the clips; silence where its file has ended."""

    source: Source
    since: Fraction
    until: Fraction
    name: str
    start: Fraction = Fraction(0)
    volume: Fraction = Fraction(1)
    fade_in_seconds: Fraction = Fraction(0)
    fade_out_seconds: Fraction = Fraction(0)
    may_be_missing: bool = False
    """Of a clip on an upper track, whose film need not have any."""


@dataclass(frozen=True, slots=True)
class Timeline:
    clips: tuple[Clip, ...]
    output: OutputFormat = field(default_factory=OutputFormat)
    subtitles: str | None = None
    """The path of an SRT or ASS file; its times are the timeline's."""
    use_gpu: bool = False
    titles: tuple[Title, ...] = ()
    background: str = BLACK
    """In gaps and beside pictures of another shape, as ``#rrggbb``."""
    captions: str | None = None
    """The language of the films' own captions that are shown; not with ``subtitles``."""
    overlays: tuple[Overlay, ...] = ()
    """Each over those before it; titles and subtitles are over all."""
    sounds: tuple[Sound, ...] = ()

    @property
    def clip_sources(self) -> tuple[Source, ...]:
        """Each film once, in the order in which they are first used."""
        return tuple(dict.fromkeys(clip.source for clip in self.clips if not clip.is_gap))

    @property
    def sources(self) -> tuple[Source, ...]:
        """The films of the clips, and then what else is seen or heard: each once."""
        seen = (overlay.source for overlay in self.overlays)
        heard = (sound.source for sound in self.sounds)
        return tuple(dict.fromkeys((*self.clip_sources, *seen, *heard)))


def find_element_using(timeline: Timeline, source: Source) -> str:
    """The first clip, overlay or sound that uses ``source``, by its name: for whoever must be told
    what is wrong with it."""
    for index, clip in enumerate(timeline.clips):
        if clip.source == source:
            return name_clip(index)
    laid: list[Overlay | Sound] = [*timeline.overlays, *timeline.sounds]
    return next(one.name for one in laid if one.source == source)


def name_clip(index: int) -> str:
    return f"Clip {index}"


def reject_clip(index: int, message: str, code: str) -> InputRejected:
    """A rejection that names the clip."""
    return reject_element(name_clip(index), message, code)


def reject_element(name: str, message: str, code: str) -> InputRejected:
    """A rejection that names the clip, overlay or sound."""
    return InputRejected(
        f"{name}: {message}", code=code, way_on="All are counted from 0; change this one."
    )


def with_location(name: str, error: InputRejected) -> InputRejected:
    """The same rejection, naming the clip, overlay or sound whose film it is about."""
    return InputRejected(f"{name}: {error.message}", code=error.code, way_on=error.way_on)
