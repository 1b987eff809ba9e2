"""Titles, overlays, sounds and upper tracks out of a timeline's document.

Their times are the finished video's, so that they are checked against the length of the first
track. A clip of an upper track is an overlay of the whole picture, and its sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from cinemill.capabilities.render.timeline.base_models import reject_length
from cinemill.capabilities.render.timeline.layer_models import (
    MAX_LAYER_ELEMENTS,
    LayerDocument,
    OverlayDocument,
    SoundDocument,
    TitleDocument,
)
from cinemill.capabilities.render.timeline.models import TimelineDocument
from cinemill.capabilities.render.timeline.pieces import (
    MOST_OVERLAYS,
    SpanSweep,
    find_overlays,
    nearest_frame,
    split_into_pieces,
    total_frames,
)
from cinemill.capabilities.render.timeline.timeline import (
    WHITE,
    Clip,
    Overlay,
    Sound,
    Timeline,
    Title,
    reject_element,
)
from cinemill.errors import InputRejected

NamedClip = tuple[str, Clip]
_ZERO, _ONE = Fraction(0), Fraction(1)
DEFAULT_TITLE_SIZE = Fraction(1, 12)


@dataclass(frozen=True, slots=True)
class _VideoLength:
    """The length of the first track: counted once, for it may have ten thousand clips."""

    frames: int
    fps: Fraction

    @property
    def seconds(self) -> Fraction:
        return self.frames / self.fps


@dataclass(frozen=True, slots=True)
class Layers:
    """All that is over the first track."""

    titles: tuple[Title, ...]
    overlays: tuple[Overlay, ...]
    sounds: tuple[Sound, ...]


def read_layers(
    document: TimelineDocument, tracks: Sequence[Sequence[NamedClip]], base: Timeline
) -> Layers:
    """Return what is over ``base``, the timeline of the first track; ``tracks`` are the others.

    Raises InputRejected, whose sentence begins with the element that it is about:
    ``timeline_too_long``, ``clip_times_invalid``, ``title_times_invalid``,
    ``overlay_times_invalid``, ``sound_times_invalid``.
    """
    video = _VideoLength(total_frames(base), base.output.fps)
    overlays, sounds = _read_tracks(tracks, video)
    titles = [_read_title(one, index, video) for index, one in enumerate(document.titles or ())]
    overlays += [
        _read_overlay(one, index, video) for index, one in enumerate(document.overlays or ())
    ]
    sounds += [_read_sound(one, index, video) for index, one in enumerate(document.sounds or ())]
    if len(overlays) > MAX_LAYER_ELEMENTS:
        raise reject_length("overlays", MAX_LAYER_ELEMENTS, len(overlays))
    return Layers(tuple(titles), tuple(overlays), tuple(sounds))


def check_overlays(timeline: Timeline) -> None:
    """Check that one command never has to open too many overlays at once.

    Raises InputRejected (``overlays_too_many``).
    """
    spans = find_overlays(timeline)
    if len(spans) <= MOST_OVERLAYS:
        return
    sweep = SpanSweep(spans)
    for piece in split_into_pieces(timeline):
        visible = [*sweep.find(piece.first, piece.end)]
        if len(visible) > MOST_OVERLAYS:
            name = timeline.overlays[visible[MOST_OVERLAYS]].name
            seconds = float(piece.first / timeline.output.fps)
            raise InputRejected(
                f"{name}: it is one of {len(visible)} overlays that are visible at {seconds:g} s; "
                f"at most {MOST_OVERLAYS} can be visible at once, or during one transition.",
                code="overlays_too_many",
                hint="Render some of them into a video of their own first.",
            )


def _read_tracks(
    tracks: Sequence[Sequence[NamedClip]], video: _VideoLength
) -> tuple[list[Overlay], list[Sound]]:
    overlays: list[Overlay] = []
    sounds: list[Sound] = []
    for clips in tracks:
        at = Fraction(0)
        for name, clip in clips:
            since, at = at, at + clip.seconds
            if clip.is_gap:
                continue
            until = min(at, video.seconds)
            _check_upper_clip(name, clip, since, until, video)
            span = (clip.source, since, until, name, clip.start)
            fades = (clip.fade_in_seconds, clip.fade_out_seconds)
            overlays.append(Overlay(*span, "center", _ONE, _ONE, *fades))
            sounds.append(Sound(*span, clip.volume, *fades, may_be_missing=True))
    return overlays, sounds


def _check_upper_clip(
    name: str, clip: Clip, since: Fraction, until: Fraction, video: _VideoLength
) -> None:
    if since >= video.seconds:
        raise reject_element(name, "the first track ends before it.", "clip_times_invalid")
    if clip.fade_in_seconds + clip.fade_out_seconds > until - since:
        fault = "its fades are longer than what the first track leaves of it."
        raise reject_element(name, fault, "clip_times_invalid")


def _read_title(document: TitleDocument, index: int, video: _VideoLength) -> Title:
    since, until = _read_span(document, f"Title {index}", "title_times_invalid", video)
    return Title(
        document.text,
        since,
        until,
        document.place or "center",
        document.size or DEFAULT_TITLE_SIZE,
        document.color or WHITE,
        document.fade_in or _ZERO,
        document.fade_out or _ZERO,
    )


def _read_overlay(document: OverlayDocument, index: int, video: _VideoLength) -> Overlay:
    name = f"Overlay {index}"
    since, until = _read_span(document, name, "overlay_times_invalid", video)
    return Overlay(
        document.source,
        since,
        until,
        name,
        document.start or _ZERO,
        document.place or "center",
        document.size or _ONE,
        document.opacity or _ONE,
        document.fade_in or _ZERO,
        document.fade_out or _ZERO,
    )


def _read_sound(document: SoundDocument, index: int, video: _VideoLength) -> Sound:
    name = f"Sound {index}"
    since, until = _read_span(document, name, "sound_times_invalid", video)
    return Sound(
        document.source,
        since,
        until,
        name,
        document.start or _ZERO,
        _ONE if document.volume is None else document.volume,
        document.fade_in or _ZERO,
        document.fade_out or _ZERO,
    )


def _read_span(
    document: LayerDocument, name: str, code: str, video: _VideoLength
) -> tuple[Fraction, Fraction]:
    """Return when an element begins and ends, no later than the video. Raises InputRejected."""
    since = document.since or _ZERO
    if nearest_frame(since, video.fps) >= video.frames:
        fault = (
            f"it begins at {float(since):g} s, and the video ends at {float(video.seconds):g} s."
        )
        raise reject_element(name, fault, code)
    until = video.seconds if document.until is None else document.until
    if until <= since:
        fault = (
            f"to must be after from, but it begins at {float(since):g} s "
            f"and ends at {float(until):g} s."
        )
        raise reject_element(name, fault, code)
    until = min(until, video.seconds)
    if (document.fade_in or 0) + (document.fade_out or 0) > until - since:
        raise reject_element(name, "its fades are longer than the time it is there.", code)
    return since, until
