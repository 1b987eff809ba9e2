"""A timeline arranged on its output's frame grid, and split into independent pieces.

A piece is a range of one clip's body, or a transition between two clips. Lengths are rounded to
whole frames clip by clip, as in an editor, so that a piece depends on its own clips only: a changed
scene leaves every other piece as it was. Every frame of the output belongs to exactly one piece;
audio uses the same grid.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from cinemill.capabilities.render.timeline.timeline import (
    DEFAULT_TRANSITION,
    DEFAULT_TRANSITION_SECONDS,
    Clip,
    Timeline,
    Transition,
    reject_clip,
)
from cinemill.errors import InputRejected

MOST_CLIPS = 10_000
LONGEST_SECONDS = 24 * 3600
PIECE_SECONDS = 30
"""The length of a piece: all workers share a long scene, and a corrected subtitle renders half a
minute of it."""
SAMPLE_RATE_HZ = 48_000
MOST_OVERLAYS = 8
"""In one piece: one command has the files of all of them open."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The output's ``frames`` frames from ``first`` on.

    They show the clip from its frame ``offset`` on; in a ``transition``, also the next clip from
    its first frame on.
    """

    first: int
    frames: int
    clip: int
    offset: int
    transition: str = ""

    @property
    def end(self) -> int:
        return self.first + self.frames

    @property
    def clips(self) -> tuple[int, ...]:
        return (self.clip, self.clip + 1) if self.transition else (self.clip,)


@dataclass(frozen=True, slots=True)
class PlacedClip:
    """A clip on the frame grid: visible for ``frames`` frames from ``first`` on.

    It shares the first ``shared_before`` and the last ``shared_after`` of them with its neighbors.
    """

    first: int
    frames: int
    shared_before: int
    shared_after: int


def count_frames(seconds: Fraction, fps: Fraction) -> int:
    """Return the nearest number of frames, rounding halves up; at least 1 for a positive length."""
    if seconds <= 0:
        return 0
    # In integers: fractions would be reduced ten thousand times for nothing.
    over = seconds.numerator * fps.numerator
    under = seconds.denominator * fps.denominator
    return max(1, (2 * over + under) // (2 * under))


def nearest_frame(seconds: Fraction, fps: Fraction) -> int:
    """Return the frame that begins nearest to this time of the output, the later of two."""
    return math.floor(seconds * fps + Fraction(1, 2))


def place_clips(timeline: Timeline) -> tuple[PlacedClip, ...]:
    """Return the position of each clip."""
    fps, last = timeline.output.fps, len(timeline.clips) - 1
    placed: list[PlacedClip] = []
    first = before = 0
    for index, clip in enumerate(timeline.clips):
        frames = count_frames(clip.seconds, fps)
        joint = clip.transition if index < last else None
        after = count_frames(joint.seconds, fps) if joint else 0
        placed.append(PlacedClip(first, frames, before, after))
        first, before = first + frames - after, after
    return tuple(placed)


def check_lengths(timeline: Timeline) -> None:
    """Check that transitions fit into their clips, and the length of the output.

    Raises InputRejected (``transition_too_long``, ``clip_times_invalid``, ``timeline_too_long``).
    """
    fps = timeline.output.fps
    for index, clip in enumerate(timeline.clips):
        if clip.seconds > LONGEST_SECONDS:
            raise reject_clip(index, "it is longer than 24 hours.", "clip_times_invalid")
        if clip.fade_in_seconds + clip.fade_out_seconds > clip.seconds:
            raise reject_clip(
                index, "its fades are longer than the clip itself.", "clip_times_invalid"
            )
    for index, place in enumerate(place_clips(timeline)):
        if place.shared_before + place.shared_after > place.frames:
            raise reject_clip(
                index,
                f"it lasts {float(place.frames / fps):g} s, and its transitions "
                f"{float((place.shared_before + place.shared_after) / fps):g} s.",
                "transition_too_long",
            )
    if total_frames(timeline) > LONGEST_SECONDS * fps:
        raise InputRejected("The video would be longer than 24 hours.", code="timeline_too_long")


def default_transition(clip: Clip, following: Clip, fps: Fraction) -> Transition | None:
    """Return the default transition, at most half of either clip; None if no frame is left."""
    shorter = min(count_frames(clip.seconds, fps), count_frames(following.seconds, fps))
    frames = min(count_frames(DEFAULT_TRANSITION_SECONDS, fps), shorter // 2)
    return Transition(DEFAULT_TRANSITION, frames / fps) if frames else None


def total_frames(timeline: Timeline) -> int:
    """Return the number of frames of the whole output."""
    last = place_clips(timeline)[-1]
    return last.first + last.frames


def split_into_pieces(timeline: Timeline) -> tuple[Piece, ...]:
    """Return all pieces, in order; together they are the output."""
    sweep = SpanSweep(find_overlays(timeline))
    at_most = max(1, math.floor(PIECE_SECONDS * timeline.output.fps))
    pieces: list[Piece] = []
    for index, place in enumerate(place_clips(timeline)):
        body_end = place.frames - place.shared_after
        for offset in range(place.shared_before, body_end, at_most):
            frames = min(at_most, body_end - offset)
            start = place.first + offset
            for first, length in _divide(start, frames, sweep.find(start, start + frames)):
                pieces.append(Piece(first, length, index, first - place.first))
        if place.shared_after:
            transition = timeline.clips[index].transition
            kind = transition.kind if transition else ""
            pieces.append(Piece(place.first + body_end, place.shared_after, index, body_end, kind))
    return tuple(pieces)


def find_overlays(timeline: Timeline) -> list[tuple[int, int]]:
    """Return the frames in which each overlay is visible, as half-open ranges."""
    fps = timeline.output.fps
    return [(nearest_frame(o.since, fps), nearest_frame(o.until, fps)) for o in timeline.overlays]


class SpanSweep:
    """Finds the half-open spans that overlap each of a series of ranges.

    No range may begin or end before the previous one; then each span is visited once.
    """

    def __init__(self, spans: Sequence[tuple[int, int]]) -> None:
        self._spans = spans
        self._coming = sorted(range(len(spans)), key=lambda index: spans[index][0], reverse=True)
        self._open: list[int] = []

    def find(self, first: int, end: int) -> dict[int, tuple[int, int]]:
        """Return the spans visible from ``first`` to before ``end``, by index, in their order."""
        spans = self._spans
        while self._coming and spans[self._coming[-1]][0] < end:
            self._open.append(self._coming.pop())
        self._open = [index for index in self._open if spans[index][1] > first]
        return {index: spans[index] for index in sorted(self._open)}


def _divide(
    first: int, frames: int, spans: Mapping[int, tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """Halve a piece until each part has few enough overlays."""
    end = first + frames
    spans = {n: span for n, span in spans.items() if span[0] < end and span[1] > first}
    if len(spans) <= MOST_OVERLAYS or frames == 1:
        yield first, frames
        return
    half = frames // 2
    yield from _divide(first, half, spans)
    yield from _divide(first + half, frames - half, spans)


def sample_at(frame: int, fps: Fraction) -> int:
    """Return the audio sample of the output at which a frame begins."""
    return math.floor(frame * SAMPLE_RATE_HZ / fps)


def partition_by_weight(weights: Sequence[int], runs_at_most: int) -> list[range]:
    """Return runs of neighbors of about equal weight; each item is in exactly one run.

    Weights are 1 or more.
    """
    total = sum(weights)
    shares: list[range] = []
    start = done = 0
    for position, weight in enumerate(weights):
        done += weight
        if done * runs_at_most >= total * (len(shares) + 1):
            shares.append(range(start, position + 1))
            start = position + 1
    return shares
