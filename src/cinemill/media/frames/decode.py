"""Decoding exactly the frames that were asked for: by seeking where that is safe, else in order.

Frames that no other refers to are skipped on the way, with codecs whose bitstream says so for the
whole stream. HEVC says it for one temporal layer only, and VP9's and AV1's frames pass on
statistics: their frames are all decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from cinemill.media.frames.clock import FrameClock
from cinemill.media.frames.open_video import PROBLEMS, OpenVideo

_SKIPPING_CODECS = frozenset({"h264", "mpeg1video", "mpeg2video", "mpeg4"})
_EARLIER_SECONDS = (0, 1, 10)
"""How far before a key frame's time the container is asked to seek to: its index may count by
decoding time, or be coarse."""


@dataclass(frozen=True, slots=True)
class Target:
    """A frame that is asked for, and the key frame from which it can be decoded."""

    pts: int
    key_pts: int


class SeekFailed(Exception):
    """Seeking did not lead to the key frame, or decoding from there not to the frame."""


def decode_by_seeking(
    video: OpenVideo, targets: Sequence[Target], on_packet: Callable[[], None]
) -> Iterator[tuple[int, Any]]:
    """Yield timestamp and frame of each target; these are sorted by time.

    Calls ``on_packet`` for each packet. Raises SeekFailed in place of the first that is not found,
    and so before any later one: those that are left can be decoded in order.
    """
    for key_pts, group in groupby(targets, key=lambda target: target.key_pts):
        wanted = {target.pts for target in group}
        _seek(video, key_pts)
        for frame in _decode_group(video, _packets_from(video, key_pts), wanted, on_packet):
            if frame.pts != min(wanted):
                raise SeekFailed
            wanted.discard(frame.pts)
            yield frame.pts, frame
        if wanted:
            raise SeekFailed


def _decode_group(
    video: OpenVideo, packets: Iterator[Any], wanted: set[int], on_packet: Callable[[], None]
) -> Iterator[Any]:
    """Yield wanted frames; stop once all their packets were decoded, or must have come."""
    unread, sought, latest = set(wanted), set(wanted), max(wanted)
    for packet in packets:
        on_packet()
        _skip_unless(video, packet.pts in unread)
        unread.discard(packet.pts)
        yield from _choose(video.decode(packet), sought)
        if not unread or (packet.dts is not None and packet.dts > latest):
            break
    yield from _choose(video.decode(None), sought)


def _choose(frames: list[Any], sought: set[int]) -> Iterator[Any]:
    for frame in frames:
        if frame.pts in sought and not frame.is_corrupt:
            sought.discard(frame.pts)
            yield frame


def _seek(video: OpenVideo, key_pts: int) -> None:
    """Seek to the key frame or before it. Raises SeekFailed."""
    try:
        video.seek(key_pts)
    except PROBLEMS as failed:
        raise SeekFailed from failed


def _packets_from(video: OpenVideo, key_pts: int) -> Iterator[Any]:
    """Yield the packets from a key frame on. Raises SeekFailed if it does not come."""
    for seconds in _EARLIER_SECONDS:
        if seconds:
            _seek(video, key_pts - int(seconds / video.stream.time_base))
        packets = video.read_packets()
        for packet in packets:
            if packet.pts == key_pts and packet.is_keyframe:
                yield packet
                yield from packets
                return
            if packet.dts is not None and packet.dts > key_pts:
                break
    raise SeekFailed


def decode_in_order(
    video: OpenVideo, wanted: set[int], on_packet: Callable[[], None]
) -> Iterator[tuple[int, Any]]:
    """Yield the wanted frames, found by their packets' timestamps, from the beginning on.

    Frames that cannot be decoded without errors are left out.
    """
    for frame in _decode_group(video, video.read_packets(), wanted, on_packet):
        yield frame.pts, frame


def decode_by_clock(
    video: OpenVideo, clock: FrameClock, wanted: set[int], on_packet: Callable[[], None]
) -> Iterator[tuple[int, Any]]:
    """Yield the wanted frames, counted from the first as the index was.

    Otherwise as :func:`decode_in_order`.
    """
    sought = set(wanted)
    for frame in video.decode_all():
        on_packet()
        pts = clock.stamp(frame)
        if pts in sought:
            sought.discard(pts)
            if not frame.is_corrupt:
                yield pts, frame
        if not sought:
            return


def _skip_unless(video: OpenVideo, is_wanted: bool) -> None:
    can_skip = not is_wanted and video.codec.codec.canonical_name in _SKIPPING_CODECS
    video.codec.skip_frame = "NONREF" if can_skip else "DEFAULT"
