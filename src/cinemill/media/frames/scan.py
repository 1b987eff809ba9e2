"""The timestamps of all frames, from packets where these can be trusted, else by decoding."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from cinemill.core.media import SourceFormat
from cinemill.media.frames.clock import CHECKED_FRAMES, FrameClock, are_rising
from cinemill.media.frames.open_video import OpenVideo
from cinemill.media.probe.metadata import FIRST_FRAME_PACKETS, reject

MAX_FRAMES = 6_000_000
"""Twelve hours of 120 frames a second, and some more."""
TIMED_FORMATS = frozenset(
    {
        SourceFormat.MP4,
        SourceFormat.MATROSKA,
        SourceFormat.MPEG_TS,
        SourceFormat.FLV,
        SourceFormat.ASF,
    }
)
"""Containers in which each packet states when its frame is shown."""
SEEKABLE_FORMATS = frozenset({SourceFormat.MP4, SourceFormat.MATROSKA})
"""Containers whose index leads to a key frame from which decoding gives the same frames."""


@dataclass(slots=True)
class Scan:
    """Frames found, in any order."""

    pts: array[int] = field(default_factory=lambda: array("q"))
    keys: bytearray = field(default_factory=bytearray)
    last_duration: int = 0
    """Of the frame that is shown last, in ticks; 0 where it is unknown."""

    def add(self, pts: int, is_key: bool, duration: int | None) -> None:
        """Add a frame. Raises MediaRejected beyond the limit."""
        if len(self.pts) >= MAX_FRAMES:
            raise reject("media_too_long")
        self.pts.append(pts)
        self.keys.append(is_key)
        if pts >= self._latest:
            self._latest, self.last_duration = pts, max(0, duration or 0)

    _latest: int = -(2**63)

    def order(self, first_pts: int) -> None:
        """Sort by timestamp, without frames before the first that the decoder outputs."""
        pts = np.frombuffer(self.pts, dtype=np.int64)
        order = np.argsort(pts, kind="stable")
        order = order[int(np.searchsorted(pts[order], first_pts)) :]
        keys = np.frombuffer(self.keys, dtype=np.uint8)[order].tobytes()
        ordered = array("q", pts[order].tobytes())
        del pts
        self.pts, self.keys = ordered, bytearray(keys)


def scan_packets(video: OpenVideo, on_packet: Callable[[], None]) -> Scan | None:
    """Return the frames by their packets' timestamps, or None if these do not identify frames.

    The first packets are decoded: timestamps must rise in the order in which frames are shown, and
    the first frame shown begins the video. Calls ``on_packet`` for each. Raises
    MediaRejected.
    """
    if video.format not in TIMED_FORMATS or video.boxes.has_edit_list:
        return None
    scan = Scan()
    shown: list[int | None] = []
    last_dts: int | None = None
    for count, packet in enumerate(video.read_packets()):
        on_packet()
        if packet.pts is None or packet.is_discard or _steps_back(packet.dts, last_dts):
            return None
        last_dts = packet.dts if packet.dts is not None else last_dts
        scan.add(packet.pts, packet.is_keyframe, packet.duration)
        if count < CHECKED_FRAMES or (not shown and count <= FIRST_FRAME_PACKETS):
            shown += [frame.pts for frame in video.decode(packet)]
    shown = shown or [frame.pts for frame in video.decode(None)]
    if not shown or shown[0] is None or not are_rising(shown):
        return None
    scan.order(shown[0])
    return scan if _are_unique(scan) else None


def scan_frames(video: OpenVideo, clock: FrameClock, on_packet: Callable[[], None]) -> Scan:
    """Return the frames by decoding them all. Calls ``on_packet`` for each.

    Raises MediaRejected.
    """
    scan = Scan()
    for frame in video.decode_all():
        on_packet()
        scan.add(clock.stamp(frame), frame.key_frame, frame.duration)
    return scan


def _steps_back(dts: int | None, last: int | None) -> bool:
    return dts is not None and last is not None and dts <= last


def _are_unique(scan: Scan) -> bool:
    pts = np.frombuffer(scan.pts, dtype=np.int64)
    return bool((pts[1:] > pts[:-1]).all())
