"""An untrusted video, open in the decoding process: its packets and decoded frames in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.stream import Discard

from cinemill.core.media import MaterialFormat, SourceFormat
from cinemill.core.sizes import Crop
from cinemill.core.timing import find_last_frame
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.probe.durations import stream_seconds, track_end
from cinemill.media.probe.last_frame import INDEXED_FORMATS, read_last_seconds
from cinemill.media.probe.metadata import choose_video, find_alpha_decoder, find_crop, reject
from cinemill.media.probe.mp4_boxes import BoxFacts, read_boxes
from cinemill.media.verify.integrity import (
    OF_ALL_STREAMS,
    TOLERANCE_SECONDS,
    TOLERANCE_SHARE,
    UNDECLARED_FORMATS,
    ends_cleanly,
)

PROBLEMS = (av.FFmpegError, ValueError, OverflowError)
"""Raised by PyAV for a broken file; MemoryError is reported apart."""


@dataclass(slots=True)
class OpenVideo:
    """A container with its chosen video stream, and what reading it has shown so far."""

    path: Path
    container: Any
    stream: Any
    format: SourceFormat | MaterialFormat
    boxes: BoxFacts
    limits: Limits
    is_broken: bool = False
    """Reading ended with an error, not at the end of the file."""
    decode_errors: int = 0
    packet_bytes: int = 0
    """Of the video's packets that were read."""

    alpha_decoder: Any = None
    """Decodes the stream with its transparency; None if its own decoder does, or it has none."""

    @property
    def codec(self) -> Any:
        return self.alpha_decoder or self.stream.codec_context

    def seek(self, pts: int) -> None:
        """Go to the key frame at or before a timestamp. Raises one of :data:`PROBLEMS`."""
        self.container.seek(pts, stream=self.stream)
        if self.alpha_decoder is not None:
            self.alpha_decoder.flush_buffers()

    @property
    def crop(self) -> Crop:
        """What the container cuts off the frames."""
        return find_crop(self.container, self.stream, self.path, self.boxes)

    def read_packets(self) -> Iterator[Any]:
        """Yield the video's packets as they are stored, up to the end or the first error."""
        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets, None)
            except PROBLEMS:
                self.is_broken = True
                return
            if packet is None:
                return
            if packet.size or packet.pts is not None or packet.dts is not None:
                self.packet_bytes += packet.size
                yield packet

    def decode(self, packet: Any) -> list[Any]:
        """Return the frames that the decoder outputs for a packet, or at the end for None.

        Packets that cannot be decoded are counted. Raises MediaRejected for a frame that is too
        large.
        """
        try:
            frames: list[Any] = self.codec.decode(packet)
        except av.EOFError:
            return []
        except PROBLEMS:
            self.decode_errors += 1
            return []
        for frame in frames:
            if frame.width * frame.height > self.limits.max_pixels:
                raise reject("media_too_many_pixels")
        return frames

    def decode_all(self) -> Iterator[Any]:
        """Yield every frame in display order, from the current position to the end."""
        for packet in self.read_packets():
            yield from self.decode(packet)
        yield from self.decode(None)

    def hold(self, start: int, duration: int) -> int:
        """Return for how many ticks the last frame, which begins at ``start``, is shown.

        ``duration`` is what its packet or its decoder says; 0 if nothing.
        """
        if self.format not in INDEXED_FORMATS:
            return duration
        end = track_end(
            self.container, self.stream, self.boxes.shown_seconds.get(self.stream.id, 0.0)
        )
        last = find_last_frame([(start, duration)], stated_end=end)
        return last.length if last else duration

    def is_cut_off(self, shown_seconds: float, frames: int) -> bool:
        """Check whether the file ends before its video, of which so much was found."""
        if self.is_broken or self.boxes.is_cut_off or not ends_cleanly(self.path, self.format):
            return True
        if self.format in UNDECLARED_FORMATS or self.boxes.has_edit_list:
            return False
        if self.format in OF_ALL_STREAMS and self.container.streams.audio:
            return False
        declared = stream_seconds(self.container, self.stream)
        slack = max(TOLERANCE_SECONDS, TOLERANCE_SHARE * declared)
        if shown_seconds < declared - slack:
            # However long it is shown: once the last frame has come, nothing is missing.
            last = read_last_seconds(self.path, self.format, self.boxes, self.stream.index)
            if shown_seconds < declared - last - slack:
                return True
        return self._lacks_frames(shown_seconds, frames)

    def _lacks_frames(self, shown_seconds: float, frames: int) -> bool:
        """Check the number of frames where the header of an AVI states it.

        Its clock counts frames and not time, and goes by what is there. Where it goes on by more
        than the frames, some of its slots are empty on purpose, and counted all the same.
        """
        rate = float(self.stream.average_rate or 0)
        if shown_seconds * rate > 1.5 * frames:
            return False
        declared = self.stream.frames if self.format is SourceFormat.AVI else 0
        return bool(frames < declared - max(2, TOLERANCE_SHARE * declared))


@contextmanager
def open_video(
    path: Path, container_format: SourceFormat | MaterialFormat, limits: Limits, *, threads: int = 1
) -> Iterator[OpenVideo]:
    """Open a video for reading, with so many threads for its decoder.

    Raises MediaRejected with a code of ``media.rejections.REJECTION_CODES``.
    """
    boxes = read_boxes(path) if container_format is SourceFormat.MP4 else BoxFacts()
    try:
        container = av.open(
            f"file:{path}",
            format=container_format.value,
            options={
                "protocol_whitelist": "file",
                "format_whitelist": container_format.value,
                "max_pixels": str(limits.max_pixels),
            },
            metadata_errors="replace",
        )
    except PROBLEMS as broken:
        is_cut_off = boxes.is_cut_off and not boxes.has_index
        raise reject("media_truncated" if is_cut_off else "media_unreadable") from broken
    with container:
        yield _choose(OpenVideo(path, container, None, container_format, boxes, limits), threads)


def _choose(video: OpenVideo, threads: int) -> OpenVideo:
    streams = list(video.container.streams)
    if len(streams) > video.limits.max_streams:
        raise reject("media_too_many_streams")
    video.stream = choose_video(video.container.streams.video)
    if video.stream.width * video.stream.height > video.limits.max_pixels:
        raise reject("media_too_many_pixels")
    if name := find_alpha_decoder(video.stream):
        video.alpha_decoder = av.CodecContext.create(name, "r")
    for stream in streams:
        if stream.index != video.stream.index:
            stream.discard = Discard.all
    video.codec.thread_count = threads
    video.codec.thread_type = "AUTO"
    return video
