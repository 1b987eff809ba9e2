"""Frames of a video that analyses look at: decoded once for all of them, and one at a time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cinemill.core.frames import Frame, Shot
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox
from cinemill.media.frames.exact import read_frames
from cinemill.media.frames.index import FrameIndex
from cinemill.media.frames.process import ShouldStop, never_stop

MAX_WIDTH_PX = 1280
MAX_PIXELS = 1280 * 1280
"""Of what analyses look at: small text can be read, and a frame takes at most 5 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class SampledFrame:
    """A frame, and how long it is shown."""

    frame: Frame
    end_ms: int
    """When the next frame is shown; after the frame's own time."""

    @property
    def start_ms(self) -> int:
        return self.frame.time_ms


def read_sampled_frames(
    path: Path,
    index: FrameIndex,
    pts: Sequence[int],
    *,
    limits: Limits,
    sandbox: Sandbox | None = None,
    should_stop: ShouldStop = never_stop,
) -> Iterator[SampledFrame]:
    """Yield the frames with exactly these timestamps of the index, in order of time.

    They are upright and at most ``MAX_WIDTH_PX`` wide. One frame is decoded ahead, however many
    there are. Raises as :func:`read_frames` does.
    """
    frames = read_frames(
        path,
        index,
        pts,
        limits=limits,
        max_width=MAX_WIDTH_PX,
        max_pixels=MAX_PIXELS,
        sandbox=sandbox,
        should_stop=should_stop,
    )
    for frame in frames:
        yield SampledFrame(frame, find_frame_end(index, frame.pts))


def find_frame_end(index: FrameIndex, pts: int) -> int:
    """Return when the frame after the one with this timestamp is shown, in milliseconds.

    It is at least a millisecond after its start. Raises KeyError for a timestamp that is not in the
    index.
    """
    number = index.find(pts)
    last = number + 1 >= len(index)
    end_ms = index.end_ms if last else index.time_ms(int(index.pts[number + 1]))
    return max(end_ms, index.time_ms(pts) + 1)


def find_shot(shots: Sequence[Shot], time_ms: int) -> int:
    """Return the number, from 0, of the shot that a time belongs to; of the nearest outside."""
    starts = [shot.start_ms for shot in shots]
    return max(0, bisect_right(starts, time_ms) - 1)
