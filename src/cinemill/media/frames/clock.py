"""One timestamp for each decoded frame, strictly rising, whatever the container says."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from cinemill.core.media import SourceFormat
from cinemill.media.frames.open_video import OpenVideo

CHECKED_FRAMES = 48
"""Frames at the beginning whose timestamps show whether the container can be trusted."""
_LONGEST_GAP_SECONDS = 10
"""A longer step forward in a transport stream is a new clock, not a pause, as FFmpeg has it."""


class FrameClock:
    """Gives each frame in display order its timestamp, in ticks of the stream's time base.

    A frame without a timestamp follows the one before by the usual step. Where the clock jumps back
    (recordings joined to one transport stream), all later timestamps are shifted. Two passes over
    the same file give the same timestamps.

    Old containers have decoding times only, and some programs store these as presentation times;
    with ``uses_dts`` frames count by them.
    """

    def __init__(self, stream: Any, *, has_jumps: bool, uses_dts: bool = False) -> None:
        rate = stream.average_rate or stream.guessed_rate
        self._step = max(1, round(1 / (rate * stream.time_base))) if rate else 1
        self._gap = int(_LONGEST_GAP_SECONDS / stream.time_base) if has_jumps else None
        self._uses_dts = uses_dts
        self._shift = 0
        self._last: int | None = None

    def stamp(self, frame: Any) -> int:
        """Return the timestamp of the next frame."""
        given = frame.dts if self._uses_dts or frame.pts is None else frame.pts
        if self._last is None:
            self._last = given if given is not None else 0
            return self._last
        expected = self._last + self._step
        pts = expected if given is None else given + self._shift
        if pts <= self._last or (self._gap is not None and pts > self._last + self._gap):
            self._shift += expected - pts
            pts = expected
        elif given is not None:
            self._step = pts - self._last
        self._last = pts
        return pts


def create_clock(video: OpenVideo, *, uses_dts: bool) -> FrameClock:
    """Return the clock for a pass over the whole video."""
    has_jumps = video.format is SourceFormat.MPEG_TS
    return FrameClock(video.stream, has_jumps=has_jumps, uses_dts=uses_dts)


def needs_dts(video: OpenVideo) -> bool:
    """Check on the first frames whether only their decoding times rise. Reads from the start."""
    frames = [
        (frame.pts, frame.dts) for frame in itertools.islice(video.decode_all(), CHECKED_FRAMES)
    ]
    return not are_rising(pts for pts, _ in frames) and are_rising(dts for _, dts in frames)


def are_rising(times: Iterable[int | None]) -> bool:
    """Check that each time is later than the one before; a missing one is not."""
    listed = list(times)
    return all(
        before is not None and after is not None and before < after
        for before, after in itertools.pairwise(listed)
    )
