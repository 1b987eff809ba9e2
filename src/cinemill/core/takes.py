"""What exactly a piece shows and how its sound is made: values that name the work by content.

The same request is the same picture, wherever in whatever film it stands; its key is how a piece
that was made before is found again. Pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from typing import Any

from cinemill.core.pieces import Piece, Placed, count_frames, place_clips
from cinemill.core.subtitles import NOTHING, Lettering, Subtitles, letter_piece
from cinemill.core.timeline import BLACK, Clip, OutputFormat, Source, Timeline
from cinemill.core.titles import letter_titles

STAGE_VERSION = 2
"""Raise it when the same request would give another picture."""
SOUND_VERSION = 1
NO_FILM = ""
"""In place of a gap's sha256."""


@dataclass(frozen=True, slots=True)
class Fade:
    """From or to black over ``frames`` frames, beginning ``first`` frames after the piece does;
    the beginning may lie before it."""

    is_out: bool
    first: int
    frames: int


@dataclass(frozen=True, slots=True)
class Take:
    """A stretch of one film, from ``start`` (seconds from its first picture) on."""

    sha256: str
    """:data:`NO_FILM`: the background."""
    start: Fraction
    fades: tuple[Fade, ...] = ()


@dataclass(frozen=True, slots=True)
class PieceRequest:
    """One take, or two that a ``transition`` joins."""

    takes: tuple[Take, ...]
    frames: int
    transition: str
    output: OutputFormat
    lettering: Lettering = NOTHING
    """Subtitles."""
    titles: Lettering = NOTHING
    """Below the subtitles."""
    background: str = BLACK

    @property
    def sha256s(self) -> tuple[str, ...]:
        """Of the films that are seen."""
        seen = (take.sha256 for take in self.takes if take.sha256 != NO_FILM)
        return tuple(dict.fromkeys(seen))


@dataclass(frozen=True, slots=True)
class SoundTake:
    """The whole sound of one clip, ``frames`` long; what it shares with its neighbours fades."""

    sha256: str
    start: Fraction
    place: Placed
    transition: str
    """Into the next clip."""
    volume: Fraction
    fade_in_seconds: Fraction
    fade_out_seconds: Fraction


@dataclass(frozen=True, slots=True)
class SoundRequest:
    takes: tuple[SoundTake, ...]
    fps: Fraction


def request_piece(
    timeline: Timeline,
    piece: Piece,
    places: Sequence[Placed],
    hashes: Mapping[Source, str],
    subtitles: Subtitles | None,
) -> PieceRequest:
    """``hashes`` are the sha256 of the films."""
    fps = timeline.output.fps
    offsets = (piece.offset, 0)
    takes = tuple(
        _take(timeline.clips[index], places[index], offset, piece.frames, fps, hashes)
        for index, offset in zip(piece.clips, offsets, strict=False)
    )
    output = timeline.output
    return PieceRequest(
        takes,
        piece.frames,
        piece.transition,
        output,
        letter_piece(subtitles, piece.first, piece.frames, output),
        letter_titles(timeline.titles, piece.first, piece.frames, output),
        timeline.background,
    )


def _take(
    clip: Clip,
    place: Placed,
    offset: int,
    frames: int,
    fps: Fraction,
    hashes: Mapping[Source, str],
) -> Take:
    fade_in = Fade(False, -offset, count_frames(clip.fade_in_seconds, fps))
    fade_out = count_frames(clip.fade_out_seconds, fps)
    fades = (fade_in, Fade(True, place.frames - fade_out - offset, fade_out))
    seen = tuple(
        fade for fade in fades if fade.frames and fade.first < frames and _ends_after(fade)
    )
    if clip.is_gap:
        return Take(NO_FILM, Fraction(0), seen)
    return Take(hashes[clip.source], clip.start + offset / fps, seen)


def _ends_after(fade: Fade) -> bool:
    return fade.first + fade.frames > 0


def request_sound(timeline: Timeline, hashes: Mapping[Source, str]) -> SoundRequest:
    """The sound of the whole film."""
    takes = (
        SoundTake(
            NO_FILM if clip.is_gap else hashes[clip.source],
            clip.start,
            place,
            clip.transition.kind if clip.transition and place.shared_after else "",
            clip.volume,
            clip.fade_in_seconds,
            clip.fade_out_seconds,
        )
        for clip, place in zip(timeline.clips, place_clips(timeline), strict=True)
    )
    return SoundRequest(tuple(takes), timeline.output.fps)


def name_piece(request: PieceRequest, tools: str) -> str:
    """The key of the work. ``tools`` names what makes it: another FFmpeg makes other bytes."""
    return _name("piece", STAGE_VERSION, tools, _tell(request, frozenset({"titles", "background"})))


def name_sound(request: SoundRequest, tools: str) -> str:
    return _name("sound", SOUND_VERSION, tools, asdict(request))


def _tell(request: Any, later: frozenset[str]) -> dict[str, Any]:
    """All members, but for ``later`` ones that say nothing: what was made before there were any
    keeps its name."""
    silent = {
        one.name
        for one in fields(request)
        if one.name in later and getattr(request, one.name) == one.default
    }
    return {name: value for name, value in asdict(request).items() if name not in silent}


def _name(stage: str, version: int, tools: str, document: Mapping[str, Any]) -> str:
    named = json.dumps([stage, version, tools, document], sort_keys=True, default=str)
    return hashlib.sha256(named.encode()).hexdigest()
