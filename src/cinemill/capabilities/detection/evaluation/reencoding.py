"""Videos re-encoded under a condition of the grid, as Cinemill encodes renditions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cinemill.capabilities.detection.evaluation.robustness import Condition
from cinemill.core.encoding.rendition import Container, SoundChoice, VideoCodec, read_rendition
from cinemill.media.encoding.encode import encode
from cinemill.media.ffmpeg.binary import FfmpegBinary
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.probe import probe

_CONTAINERS = {
    VideoCodec.H264: Container.MP4,
    VideoCodec.H265: Container.MP4,
    VideoCodec.VP9: Container.WEBM,
    VideoCodec.AV1: Container.MP4,
}


@dataclass(frozen=True, slots=True)
class Reencoding:
    """A condition with a codec, and what encodes."""

    condition: Condition
    binary: FfmpegBinary
    limits: Limits
    sandbox: Sandbox

    @property
    def version(self) -> str:
        """Return what makes it one of its own; part of every key."""
        return f"{self.condition!r} {self.binary.version}"

    def apply(self, path: Path, folder: Path) -> Path:
        """Encode a video into an empty, private folder and return the new file.

        Raises MediaRejected, InputRejected, ToolMissing, OutputInvalid, CommandFailed,
        CommandStalled, DiskFull.
        """
        info = probe(path, self.limits, sandbox=self.sandbox)
        session = FfmpegSession(self.binary, folder, self.limits, self.sandbox)
        request = read_rendition(self._describe(info.video.display_height))
        return encode(session, path, info, request).path

    def _describe(self, lines: int) -> dict[str, Any]:
        condition = self.condition
        if condition.codec is None:
            raise ValueError(f"{condition.name} encodes no video")
        options = {
            "codec": condition.codec.value,
            "container": _CONTAINERS[condition.codec].value,
            "crf": condition.crf,
            "bitrate": condition.bitrate_kbps and condition.bitrate_kbps * 1000,
            # A video is never enlarged.
            "height": condition.height and min(condition.height, lines - lines % 2),
            "audio": SoundChoice.NONE.value,
        }
        return {name: value for name, value in options.items() if value is not None}
