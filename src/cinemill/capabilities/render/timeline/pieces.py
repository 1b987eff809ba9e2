"""A timeline laid out on its output's grid of frames, and cut into pieces that stand alone.

A piece is a stretch of one clip's body, or a transition between two clips. Lengths are rounded to
whole frames clip by clip, as an editor's are, so that what a piece shows depends on its own clips
and on nothing before them: a changed scene leaves every other piece as it was. Every frame of the
film belongs to exactly one piece; sound is laid on the same grid.
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
"""A body is cut into pieces of this length: a long scene is shared by all workers, and a corrected
subtitle costs half a minute of it."""
SAMPLE_RATE_HZ = 48_000
MOST_OVERLAYS = 8
"""Of one piece: each is a film that one command has open."""


@dataclass(frozen=True, slots=True)
class Piece:
    """``frames`` frames of the film from ``first`` on.

    Of the clip from its frame ``offset`` on; of a ``transition``, that and the next clip from its
    first frame on.
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
    """A clip on the grid: it is seen from frame ``first`` on, for ``frames`` frames, of which the
    first ``shared_before`` and the last ``shared_after`` together with its neighbours."""

    first: int
    frames: int
    shared_before: int
    shared_after: int


def count_frames(seconds: Fraction, fps: Fraction) -> int:
    """The nearest whole number of frames, halves up; of something that is there, at least one."""
    if seconds <= 0:
        return 0
    # In whole numbers: fractions that are never looked at would be shortened ten thousand times.
    over = seconds.numerator * fps.numerator
    under = seconds.denominator * fps.denominator
    return max(1, (2 * over + under) // (2 * under))


def nearest_frame(seconds: Fraction, fps: Fraction) -> int:
    """The frame that begins nearest to this moment of the film, the later of two."""
    return math.floor(seconds * fps + Fraction(1, 2))


def place_clips(timeline: Timeline) -> tuple[PlacedClip, ...]:
    """Where each clip lies."""
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
    """Raises InputRejected (``transition_too_long``, ``clip_times_invalid``,
    ``timeline_too_long``)."""
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
    """The usual cross-fade, at most half of either clip; None where not a frame is left for it."""
    shorter = min(count_frames(clip.seconds, fps), count_frames(following.seconds, fps))
    frames = min(count_frames(DEFAULT_TRANSITION_SECONDS, fps), shorter // 2)
    return Transition(DEFAULT_TRANSITION, frames / fps) if frames else None


def total_frames(timeline: Timeline) -> int:
    """Frames of the whole film."""
    last = place_clips(timeline)[-1]
    return last.first + last.frames


def split_into_pieces(timeline: Timeline) -> tuple[Piece, ...]:
    """All pieces, in order; together they are the film."""
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
    """In which frames each overlay is seen: from the first until before the second."""
    fps = timeline.output.fps
    return [(nearest_frame(o.since, fps), nearest_frame(o.until, fps)) for o in timeline.overlays]


class SpanSweep:
    """Spans (the first, and the one after the last) looked up by stretches of which none begins or
    ends before the one before it: each span is met once, however many stretches there are."""

    def __init__(self, spans: Sequence[tuple[int, int]]) -> None:
        self._spans = spans
        self._coming = sorted(range(len(spans)), key=lambda index: spans[index][0], reverse=True)
        self._open: list[int] = []

    def find(self, first: int, end: int) -> dict[int, tuple[int, int]]:
        """What is seen from ``first`` until before ``end``: by index, in the spans' own order."""
        spans = self._spans
        while self._coming and spans[self._coming[-1]][0] < end:
            self._open.append(self._coming.pop())
        self._open = [index for index in self._open if spans[index][1] > first]
        return {index: spans[index] for index in sorted(self._open)}


def _divide(
    first: int, frames: int, spans: Mapping[int, tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """In halves, until each has few enough overlays."""
    end = first + frames
    spans = {n: span for n, span in spans.items() if span[0] < end and span[1] > first}
    if len(spans) <= MOST_OVERLAYS or frames == 1:
        yield first, frames
        return
    half = frames // 2
    yield from _divide(first, half, spans)
    yield from _divide(first + half, frames - half, spans)


def sample_at(frame: int, fps: Fraction) -> int:
    """The sample of the film's sound that goes with the beginning of a frame."""
    return math.floor(frame * SAMPLE_RATE_HZ / fps)


def partition_by_weight(weights: Sequence[int], runs_at_most: int) -> list[range]:
    """Neighbours in runs of about the same weight, at most so many; each item is in one of them.

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
