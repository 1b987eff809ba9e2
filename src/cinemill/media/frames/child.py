"""The process that decodes an untrusted file: a JSON request in, records out.

Started by ``media.frames.process`` in the sandbox, as ``python -I -m cinemill.media.frames.child``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

from cinemill.core.media import read_format
from cinemill.core.timing import to_milliseconds
from cinemill.errors import MediaRejected
from cinemill.media.ffmpeg.child_exit import blame_file
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.frames.clock import FrameClock, create_clock, needs_dts
from cinemill.media.frames.decode import (
    SeekFailed,
    Target,
    decode_by_clock,
    decode_by_seeking,
    decode_in_order,
)
from cinemill.media.frames.open_video import OpenVideo, open_video
from cinemill.media.frames.pixels import ExactSize, PixelConverter, SizeBound
from cinemill.media.frames.records import (
    FRAME_HEAD,
    Facts,
    RecordKind,
    Request,
    write_end,
    write_record,
)
from cinemill.media.frames.scan import SEEKABLE_FORMATS, Scan, scan_frames, scan_packets
from cinemill.media.probe.metadata import reject

ALIVE_SECONDS = 1.0


class FrameServer:
    """Handles one request and writes records to ``sink``."""

    def __init__(self, request: Request, sink: BinaryIO) -> None:
        self._request = request
        self._sink = sink
        self._path = Path(request["path"])
        self._format = read_format(request["format"])
        self._limits = Limits(**request["limits"])
        self._threads = int(request["threads"])
        self._written_at = time.monotonic()

    def serve(self) -> None:
        """Write all records of the response, the last of kind END."""
        facts: Facts
        work = {"index": self._index, "frames": self._frames, "all": self._all}
        try:
            facts = work[self._request["what"]]()
        except MediaRejected as rejected:
            facts = {"rejected": rejected.code}
        except MemoryError:
            facts = {"rejected": "media_out_of_memory"}
        write_end(self._sink, facts)

    def _open(self, threads: int = 1) -> AbstractContextManager[OpenVideo]:
        return open_video(self._path, self._format, self._limits, threads=threads)

    @contextmanager
    def _open_with_clock(self) -> Iterator[tuple[OpenVideo, FrameClock]]:
        """Open the video to be decoded from its beginning to its end."""
        with self._open() as video:
            uses_dts = needs_dts(video)
        with self._open(self._threads) as video:
            yield video, create_clock(video, uses_dts=uses_dts)

    def _index(self) -> Facts:
        with self._open() as video:
            scan = scan_packets(video, self._note_alive)
            if scan is not None:
                return self._write_index(video, scan, has_packet_times=True)
        with self._open_with_clock() as (video, clock):
            scan = scan_frames(video, clock, self._note_alive)
            return self._write_index(video, scan, has_packet_times=False)

    def _write_index(self, video: OpenVideo, scan: Scan, *, has_packet_times: bool) -> Facts:
        time_base = video.stream.time_base
        if not scan.pts:
            raise reject("media_damaged")
        shown_seconds = float((scan.pts[-1] - scan.pts[0] + scan.last_duration) * time_base)
        if shown_seconds > self._limits.max_duration_seconds:
            raise reject("media_too_long")
        write_record(self._sink, RecordKind.TIMESTAMPS, scan.pts)
        write_record(self._sink, RecordKind.KEYS, scan.keys)
        is_cut_off = video.is_cut_off(shown_seconds, len(scan.pts))
        held = scan.last_duration if is_cut_off else video.hold(scan.pts[-1], scan.last_duration)
        return {
            "time_base": str(time_base),
            "last_duration": held,
            "packet_bytes": video.packet_bytes,
            "has_packet_times": has_packet_times,
            "is_seekable": has_packet_times and video.format in SEEKABLE_FORMATS,
            "is_cut_off": is_cut_off,
        }

    def _frames(self) -> Facts:
        targets = [Target(*pair) for pair in self._request["targets"]]
        remaining = {target.pts for target in targets}
        if self._request["is_seekable"]:
            try:
                with self._open() as video:
                    chosen = decode_by_seeking(video, targets, self._note_alive)
                    self._write_chosen(video, chosen, remaining)
            except SeekFailed:
                pass
        if remaining and self._request["has_packet_times"]:
            with self._open(self._threads) as video:
                chosen = decode_in_order(video, set(remaining), self._note_alive)
                self._write_chosen(video, chosen, remaining)
        elif remaining:
            with self._open_with_clock() as (video, clock):
                chosen = decode_by_clock(video, clock, set(remaining), self._note_alive)
                self._write_chosen(video, chosen, remaining)
        return {"missing": sorted(remaining)}

    def _write_chosen(
        self, video: OpenVideo, chosen: Iterator[tuple[int, Any]], remaining: set[int]
    ) -> None:
        size = SizeBound(self._request["max_width"], self._request["max_pixels"])
        converter = PixelConverter(video.stream, size, crop=video.crop)
        first, time_base = self._request["first_pts"], video.stream.time_base
        for pts, frame in chosen:
            seconds = (pts - first) * time_base
            self._write_frame(pts, seconds, converter.convert(frame))
            remaining.discard(pts)

    def _all(self) -> Facts:
        size = ExactSize(self._request["width"], self._request["height"])
        rate = Fraction(self._request["rate"]) if self._request["rate"] else None
        with self._open_with_clock() as (video, clock):
            converter = PixelConverter(video.stream, size, crop=video.crop)
            pace = Pace(rate, video.stream.time_base)
            for frame in video.decode_all():
                pts = clock.stamp(frame)
                if pace.is_due(pts, frame.duration or 0):
                    self._write_frame(pts, pace.seconds, converter.convert(frame))
                else:
                    self._note_alive()
            return {
                "is_cut_off": video.is_cut_off(pace.shown_seconds, pace.frames),
            }

    def _write_frame(self, pts: int, seconds: Fraction, pixels: Any) -> None:
        height, width = pixels.shape[:2]
        head = FRAME_HEAD.pack(pts, to_milliseconds(seconds), width, height)
        write_record(self._sink, RecordKind.FRAME, head, pixels.reshape(-1))
        self._written_at = time.monotonic()

    def _note_alive(self) -> None:
        now = time.monotonic()
        if now - self._written_at > ALIVE_SECONDS:
            write_record(self._sink, RecordKind.ALIVE)
            self._written_at = now


class Pace:
    """Chooses the frames of a lower rate: the first at or after each multiple of its interval."""

    def __init__(self, rate: Fraction | None, time_base: Fraction) -> None:
        self._rate = rate
        self._time_base = time_base
        self._first: int | None = None
        self._next = 0
        self.seconds = Fraction(0)
        """From the first frame to the last one seen."""
        self.shown_seconds = 0.0
        """From the first frame to the end of the last one seen."""
        self.frames = 0
        """All that were seen."""

    def is_due(self, pts: int, duration: int) -> bool:
        """Check whether this frame, which is the next in order, is to be shown."""
        if self._first is None:
            self._first = pts
        self.seconds = (pts - self._first) * self._time_base
        self.frames += 1
        self.shown_seconds = float(self.seconds + duration * self._time_base)
        if self._rate is None:
            return True
        if self.seconds * self._rate < self._next:
            return False
        self._next = int(self.seconds * self._rate) + 1
        return True


def main(arguments: Sequence[str] = ()) -> None:
    request = json.load(sys.stdin)
    with blame_file():
        FrameServer(request, sys.stdout.buffer).serve()


if __name__ == "__main__":
    main()
