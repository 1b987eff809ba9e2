"""The process that decodes a damaged video and notes what is missing: JSON in, JSON out.

Started by ``damage`` in the sandbox, as ``python -I -m cinemill.media.verify.damage_child``.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, TypedDict

import av

from cinemill.media.ffmpeg.python_child import answer_request

JOIN_SECONDS = 0.5
"""Ranges that are no further apart are one."""
LEAST_STEP_SECONDS = 0.04
GAP_STEPS = 1.8
LEAST_GAP_SECONDS = 0.1
END_SLACK_SECONDS = 0.5
CLOCK_SLACK_SECONDS = 5.0
TOGETHER_SECONDS = 1.0
"""Within which streams stop together."""
MOST_RESUMPTIONS = 1000
"""After errors of the container, each of which ends an iteration."""


class DamageRequest(TypedDict):
    """A video, its streams, and how long to look."""

    path: str
    format: str
    max_pixels: int
    video: int
    audio: list[int]
    start_seconds: float
    clock_start_seconds: float | None
    """From which the declared duration counts; None: from each stream's first packet."""
    declared_seconds: float
    is_variable_rate: bool
    seconds: float


@dataclass(slots=True)
class _Watch:
    """What was seen of one stream, on the container's clock in seconds."""

    is_picture: bool
    least: float
    most: float
    """Between which times are believed: a damaged clock may be hours away."""
    times: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    marks: list[tuple[float, float]] = field(default_factory=list)
    first: float | None = None
    last: float = 0.0
    step: float = LEAST_STEP_SECONDS

    def take(self, packet: Any) -> None:
        if packet.pts is not None:
            self.last = self._believe(float(packet.pts * packet.time_base))
            self.first = self.last if self.first is None else self.first
        if packet.duration:
            self.step = float(packet.duration * packet.time_base)
        if packet.is_corrupt:
            self.mark(self.last)
        try:
            for frame in packet.decode():
                self._take_frame(frame)
        except av.FFmpegError:
            self.mark(self.last)

    def _believe(self, at: float) -> float:
        return at if self.least <= at <= self.most else self.last

    def mark(self, at: float) -> None:
        self.marks.append((at, at + self.step))

    def _take_frame(self, frame: Any) -> None:
        at = self.last if frame.time is None else self._believe(float(frame.time))
        length = self.step if self.is_picture else frame.samples / frame.sample_rate
        self.times.append(at)
        self.ends.append(at + length)
        if frame.is_corrupt:
            self.mark(at)

    def find_end(self, *, until: float) -> float:
        """Return when the last frame ends, if that is before its time; else ``until``."""
        end = max(self.ends, default=self.first or until)
        return end if end < until - END_SLACK_SECONDS else until

    def list_ranges(
        self, *, has_steady_rate: bool, began: float, end: float, until: float
    ) -> list[tuple[float, float]]:
        """Return what is missing, joined, in seconds from when the video began.

        That includes all from ``end`` until ``until``, if that is later.
        """
        found = [*self.marks, *self._list_gaps(has_steady_rate=has_steady_rate)]
        if end < until:
            found.append((end, until))
        return _join([(max(0.0, at - began), max(0.0, till - began)) for at, till in found])

    def _list_gaps(self, *, has_steady_rate: bool) -> Iterator[tuple[float, float]]:
        if self.is_picture:
            yield from self._list_picture_gaps() if has_steady_rate else ()
            return
        for end, start in zip(self.ends, self.times[1:], strict=False):
            if start - end > LEAST_GAP_SECONDS:
                yield end, start

    def _list_picture_gaps(self) -> Iterator[tuple[float, float]]:
        times = sorted(self.times)
        steps = [after - before for before, after in pairwise(times)]
        usual = statistics.median(steps) if steps else 0.0
        for before, after in pairwise(times):
            # A frame or two are left out by many a recorder.
            if usual and after - before > max(GAP_STEPS * usual, usual + LEAST_GAP_SECONDS):
                yield before + usual, after


def handle_request(request: DamageRequest) -> dict[str, Any]:
    """Return the ranges by stream, in seconds from the first frame, and how far was searched."""
    ends_at = time.monotonic() + request["seconds"]
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": request["format"],
        "max_pixels": str(request["max_pixels"]),
    }
    with (
        Path(request["path"]).open("rb") as file,
        av.open(file, format=request["format"], options=options, metadata_errors="replace") as film,
    ):
        wanted = [index for index in (request["video"], *request["audio"]) if index >= 0]
        streams = [film.streams[index] for index in wanted]
        least = request["start_seconds"] - CLOCK_SLACK_SECONDS
        # Where nothing is declared, any time is believed.
        most = least + request["declared_seconds"] + 2 * CLOCK_SLACK_SECONDS
        most = most if request["declared_seconds"] else math.inf
        watches = {
            stream.index: _Watch(stream.type == "video", least, most, last=max(0.0, least))
            for stream in streams
        }
        is_whole = True
        for packet in _demux(film, streams, watches):
            watches[packet.stream_index].take(packet)
            if time.monotonic() > ends_at:
                is_whole = False
                break
    return _answer(request, watches, is_whole=is_whole)


def _demux(film: Any, streams: list[Any], watches: dict[int, _Watch]) -> Iterator[Any]:
    """Yield all packets, also those behind a place where the container is broken."""
    for _ in range(MOST_RESUMPTIONS):
        try:
            yield from film.demux(streams)
        except av.EOFError:
            return
        except av.FFmpegError:
            for watch in watches.values():
                watch.mark(watch.last)
        else:
            return


def _answer(
    request: DamageRequest, watches: dict[int, _Watch], *, is_whole: bool
) -> dict[str, Any]:
    began = request["start_seconds"]
    picture_end, until = _find_picture_end(request, watches) if is_whole else (0.0, 0.0)
    ranges = []
    for index, watch in watches.items():
        end = watch.find_end(until=until)
        if not watch.is_picture and abs(end - picture_end) > TOGETHER_SECONDS:
            # No length is declared of it, and it did not stop with the picture.
            end = until
        found = watch.list_ranges(
            has_steady_rate=not request["is_variable_rate"], began=began, end=end, until=until
        )
        ranges += [
            {"stream": index, "is_picture": watch.is_picture, "start": start, "end": till}
            for start, till in found
        ]
    searched = max((watch.last for watch in watches.values()), default=began) - began
    return {"ranges": ranges, "searched": None if is_whole else searched}


def _find_picture_end(request: DamageRequest, watches: dict[int, _Watch]) -> tuple[float, float]:
    """Return when the picture ends and when it should: equal if nothing is missing there."""
    declared = request["declared_seconds"]
    picture = next((one for one in watches.values() if one.is_picture), None)
    if picture is None or not declared:
        return 0.0, 0.0
    clock = request["clock_start_seconds"]
    from_seconds = picture.first if clock is None else clock
    until = (request["start_seconds"] if from_seconds is None else from_seconds) + declared
    return picture.find_end(until=until), until


def _join(ranges: list[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for start, end in sorted(ranges):
        if joined and start - joined[-1][1] <= JOIN_SECONDS:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


if __name__ == "__main__":
    answer_request(handle_request)
