"""What exactly a piece shows and how its sound is made: values that name the work by content.

The same request is the same picture, wherever in whatever film it stands; its key is how a piece
that was made before is found again. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from typing import Any

from cinemill.capabilities.render.timeline.pieces import (
    Piece,
    PlacedClip,
    count_frames,
    find_overlays,
    nearest_frame,
    place_clips,
)
from cinemill.capabilities.render.timeline.timeline import BLACK, Clip, Overlay, Source, Timeline
from cinemill.capabilities.render.timeline.titles import titles_for_piece
from cinemill.core.output import OutputFormat
from cinemill.core.text.subtitles import NOTHING, PieceSubtitles, Subtitles, subtitles_for_piece
from cinemill.steps.content_key import content_key

STAGE_VERSION = 3
"""Raise it when the same request would give another picture."""
SOUND_VERSION = 2
_LATER_MEMBERS = frozenset({"titles", "background", "insets", "sounds"})
GAP = ""
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
    """:data:`GAP`: the background."""
    start: Fraction
    fades: tuple[Fade, ...] = ()


@dataclass(frozen=True, slots=True)
class VideoOverlay:
    """A still or a film over the piece, from its frame ``first`` on; fades are of its opacity, and
    counted from there."""

    take: Take
    first: int
    frames: int
    place: str
    size: Fraction
    opacity: Fraction


@dataclass(frozen=True, slots=True)
class PieceRequest:
    """One take, or two that a ``transition`` joins."""

    takes: tuple[Take, ...]
    frames: int
    transition: str
    output: OutputFormat
    lettering: PieceSubtitles = NOTHING
    """Subtitles."""
    titles: PieceSubtitles = NOTHING
    """Below the subtitles."""
    background: str = BLACK
    insets: tuple[VideoOverlay, ...] = ()
    """Below the titles, each over those before it."""

    @property
    def sha256s(self) -> tuple[str, ...]:
        """Of all that is seen: the clips' films come first."""
        takes = (*self.takes, *(inset.take for inset in self.insets))
        return tuple(dict.fromkeys(take.sha256 for take in takes if take.sha256 != GAP))


@dataclass(frozen=True, slots=True)
class AudioClipSpan:
    """The whole sound of one clip, ``frames`` long; what it shares with its neighbours fades."""

    sha256: str
    start: Fraction
    place: PlacedClip
    transition: str
    """Into the next clip."""
    volume: Fraction
    fade_in_seconds: Fraction
    fade_out_seconds: Fraction


@dataclass(frozen=True, slots=True)
class AudioOverlay:
    """Music or a voice from the film's frame ``first`` on."""

    sha256: str
    start: Fraction
    first: int
    frames: int
    volume: Fraction
    fade_in_seconds: Fraction
    fade_out_seconds: Fraction


@dataclass(frozen=True, slots=True)
class SoundRequest:
    takes: tuple[AudioClipSpan, ...]
    fps: Fraction
    sounds: tuple[AudioOverlay, ...] = ()


def request_piece(
    timeline: Timeline,
    piece: Piece,
    places: Sequence[PlacedClip],
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
        subtitles_for_piece(subtitles, piece.first, piece.frames, output),
        titles_for_piece(timeline.titles, piece.first, piece.frames, output),
        timeline.background,
        tuple(_lay_insets(timeline, piece, hashes)),
    )


def restrict_to(
    timeline: Timeline, subtitles: Subtitles | None, pieces: Sequence[Piece]
) -> tuple[Timeline, Subtitles | None]:
    """Without titles, overlays and subtitles that these neighbouring pieces do not show: so that
    not each of them must look at those of the whole film."""
    fps = timeline.output.fps
    since, until = (pieces[0].first - 1) / fps, (pieces[-1].end + 1) / fps
    near = replace(
        timeline,
        titles=tuple(t for t in timeline.titles if t.since < until and t.until > since),
        overlays=tuple(o for o in timeline.overlays if o.since < until and o.until > since),
    )
    if subtitles is None:
        return near, None
    since_ms, until_ms = since * 1000, until * 1000
    cues = (c for c in subtitles.cues if c.start_ms < until_ms and c.end_ms > since_ms)
    return near, replace(subtitles, cues=tuple(cues))


def _lay_insets(
    timeline: Timeline, piece: Piece, hashes: Mapping[Source, str]
) -> Iterator[VideoOverlay]:
    fps = timeline.output.fps
    spans = find_overlays(timeline)
    for overlay, (since, until) in zip(timeline.overlays, spans, strict=True):
        first, end = max(since, piece.first), min(until, piece.end)
        if first < end:
            offset = first - since
            fades = _find_fades(overlay, until - since, offset, end - first, fps)
            yield VideoOverlay(
                Take(hashes[overlay.source], overlay.start + offset / fps, fades),
                first - piece.first,
                end - first,
                overlay.place,
                overlay.size,
                overlay.opacity,
            )


def _take(
    clip: Clip,
    place: PlacedClip,
    offset: int,
    frames: int,
    fps: Fraction,
    hashes: Mapping[Source, str],
) -> Take:
    fades = _find_fades(clip, place.frames, offset, frames, fps)
    if clip.is_gap:
        return Take(GAP, Fraction(0), fades)
    return Take(hashes[clip.source], clip.start + offset / fps, fades)


def _find_fades(
    faded: Clip | Overlay, length: int, offset: int, frames: int, fps: Fraction
) -> tuple[Fade, ...]:
    """Those that are seen in ``frames`` frames from ``offset`` on of something ``length`` long."""
    fade_in = count_frames(faded.fade_in_seconds, fps)
    fade_out = count_frames(faded.fade_out_seconds, fps)
    fades = (Fade(False, -offset, fade_in), Fade(True, length - fade_out - offset, fade_out))
    return tuple(f for f in fades if f.frames and f.first < frames and f.first + f.frames > 0)


def request_sound(timeline: Timeline, hashes: Mapping[Source, str]) -> SoundRequest:
    """The sound of the whole film."""
    takes = (
        AudioClipSpan(
            GAP if clip.is_gap else hashes[clip.source],
            clip.start,
            place,
            clip.transition.kind if clip.transition and place.shared_after else "",
            clip.volume,
            clip.fade_in_seconds,
            clip.fade_out_seconds,
        )
        for clip, place in zip(timeline.clips, place_clips(timeline), strict=True)
    )
    return SoundRequest(tuple(takes), timeline.output.fps, tuple(_lay_sounds(timeline, hashes)))


def _lay_sounds(timeline: Timeline, hashes: Mapping[Source, str]) -> Iterator[AudioOverlay]:
    fps = timeline.output.fps
    for sound in timeline.sounds:
        first, end = nearest_frame(sound.since, fps), nearest_frame(sound.until, fps)
        if first < end and sound.volume:
            yield AudioOverlay(
                hashes[sound.source],
                sound.start,
                first,
                end - first,
                sound.volume,
                sound.fade_in_seconds,
                sound.fade_out_seconds,
            )


def piece_key(request: PieceRequest, tools: str) -> str:
    """The key of the work. ``tools`` names what makes it: another FFmpeg makes other bytes."""
    return _digest("piece", STAGE_VERSION, tools, _key_fields(request))


def sound_key(request: SoundRequest, tools: str) -> str:
    return _digest("sound", SOUND_VERSION, tools, _key_fields(request))


def _key_fields(request: PieceRequest | SoundRequest) -> dict[str, Any]:
    """All members, but for those that came later and say nothing: what was made before there were
    any keeps its name."""
    silent = {
        one.name
        for one in fields(request)
        if one.name in _LATER_MEMBERS and getattr(request, one.name) == one.default
    }
    return {name: value for name, value in asdict(request).items() if name not in silent}


def _digest(stage: str, version: int, tools: str, document: object) -> str:
    return content_key(stage, version, tools, document)
