"""What exactly a piece shows and how its audio is mixed: values that identify the work by content.

Equal requests give equal frames, wherever in whatever video they are; the key of a request finds a
piece in the cache. Pure.
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

STAGE_VERSION = 4
"""Increase it when the same request would give other frames."""
SOUND_VERSION = 3
_LATER_MEMBERS = frozenset({"titles", "background", "insets", "sounds"})
GAP = ""
"""Stands for the sha256 of a gap."""


@dataclass(frozen=True, slots=True)
class Fade:
    """A fade from or to black over ``frames`` frames, ``first`` frames after the piece begins.

    ``first`` may be negative.
    """

    is_out: bool
    first: int
    frames: int


@dataclass(frozen=True, slots=True)
class ClipSpan:
    """A range of one video, from ``start`` (seconds from its first frame) on."""

    sha256: str
    """:data:`GAP`: the background."""
    start: Fraction
    fades: tuple[Fade, ...] = ()


@dataclass(frozen=True, slots=True)
class VideoOverlay:
    """A still or a video over the piece, from its frame ``first`` on.

    Fades change its opacity, and count from there.
    """

    take: ClipSpan
    first: int
    frames: int
    place: str
    size: Fraction
    opacity: Fraction


@dataclass(frozen=True, slots=True)
class PieceRequest:
    """One clip span, or two that a ``transition`` joins."""

    takes: tuple[ClipSpan, ...]
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
        """Return the sha256 of all visible sources, the clips' videos first."""
        takes = (*self.takes, *(inset.take for inset in self.insets))
        return tuple(dict.fromkeys(take.sha256 for take in takes if take.sha256 != GAP))


@dataclass(frozen=True, slots=True)
class AudioClipSpan:
    """The audio of one clip, ``frames`` long; what it shares with its neighbors is cross-faded."""

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
    """Music or a voice from the output's frame ``first`` on."""

    sha256: str
    start: Fraction
    first: int
    frames: int
    volume: Fraction
    fade_in_seconds: Fraction
    fade_out_seconds: Fraction


@dataclass(frozen=True, slots=True)
class AudioRequest:
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
    """Return the request for a piece; ``hashes`` are the sha256 of the sources."""
    fps = timeline.output.fps
    offsets = (piece.offset, 0)
    takes = tuple(
        _clip_span(timeline.clips[index], places[index], offset, piece.frames, fps, hashes)
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
        tuple(_video_overlays(timeline, piece, hashes)),
    )


def restrict_to(
    timeline: Timeline, subtitles: Subtitles | None, pieces: Sequence[Piece]
) -> tuple[Timeline, Subtitles | None]:
    """Return the timeline and subtitles with only what these neighboring pieces show.

    So none of them has to search those of the whole video.
    """
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


def _video_overlays(
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
                ClipSpan(hashes[overlay.source], overlay.start + offset / fps, fades),
                first - piece.first,
                end - first,
                overlay.place,
                overlay.size,
                overlay.opacity,
            )


def _clip_span(
    clip: Clip,
    place: PlacedClip,
    offset: int,
    frames: int,
    fps: Fraction,
    hashes: Mapping[Source, str],
) -> ClipSpan:
    fades = _find_fades(clip, place.frames, offset, frames, fps)
    if clip.is_gap:
        return ClipSpan(GAP, Fraction(0), fades)
    return ClipSpan(hashes[clip.source], clip.start + offset / fps, fades)


def _find_fades(
    faded: Clip | Overlay, length: int, offset: int, frames: int, fps: Fraction
) -> tuple[Fade, ...]:
    """Return the fades visible in ``frames`` frames from ``offset`` on of ``length`` frames."""
    fade_in = count_frames(faded.fade_in_seconds, fps)
    fade_out = count_frames(faded.fade_out_seconds, fps)
    fades = (Fade(False, -offset, fade_in), Fade(True, length - fade_out - offset, fade_out))
    return tuple(f for f in fades if f.frames and f.first < frames and f.first + f.frames > 0)


def request_audio(timeline: Timeline, hashes: Mapping[Source, str]) -> AudioRequest:
    """Return the request for the audio of the whole output."""
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
    return AudioRequest(tuple(takes), timeline.output.fps, tuple(_audio_overlays(timeline, hashes)))


def _audio_overlays(timeline: Timeline, hashes: Mapping[Source, str]) -> Iterator[AudioOverlay]:
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
    """Return the cache key of a piece; ``tools`` names FFmpeg: another gives other bytes."""
    return _digest("piece", STAGE_VERSION, tools, _key_fields(request))


def sound_key(request: AudioRequest, tools: str) -> str:
    return _digest("sound", SOUND_VERSION, tools, _key_fields(request))


def _key_fields(request: PieceRequest | AudioRequest) -> dict[str, Any]:
    """Return all fields except later additions that have their default.

    So pieces from before these fields existed keep their keys.
    """
    silent = {
        one.name
        for one in fields(request)
        if one.name in _LATER_MEMBERS and getattr(request, one.name) == one.default
    }
    return {name: value for name, value in asdict(request).items() if name not in silent}


def _digest(stage: str, version: int, tools: str, document: object) -> str:
    return content_key(stage, version, tools, document)
