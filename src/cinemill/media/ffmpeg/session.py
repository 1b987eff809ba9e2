"""What a step's FFmpeg commands have in common: the binary, the folder and the limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cinemill.media.ffmpeg.binary import FfmpegBinary
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.process import FfmpegProgress, FfmpegReport, run_ffmpeg
from cinemill.media.ffmpeg.sandbox import Sandbox


def _ignore(_figure: float) -> None:
    return None


def _never() -> None:
    return None


@dataclass(frozen=True, slots=True)
class FfmpegSession:
    binary: FfmpegBinary
    folder: Path
    """Private folder that receives everything that is written."""
    limits: Limits
    sandbox: Sandbox
    on_progress: Callable[[float], None] = _ignore
    """Called with the share that is done, 0 to 1."""
    should_stop: Callable[[], Exception | None] = _never
    """Called several times a second; the exception that it returns is raised."""
    on_peak_memory: Callable[[int], None] = _ignore
    """Called with the largest resident bytes of each command, whether it succeeded or not."""

    def run(
        self,
        arguments: Sequence[str],
        *,
        readable: Sequence[Path] = (),
        on_progress: Callable[[FfmpegProgress], None],
        devices: Sequence[Path] = (),
    ) -> FfmpegReport:
        """Run one FFmpeg with these arguments, with access to these files, devices and the folder.

        Raises what :func:`run_ffmpeg` raises.
        """
        return run_ffmpeg(
            self.binary,
            arguments,
            folder=self.folder,
            readable=readable,
            limits=self.limits,
            sandbox=self.sandbox,
            on_progress=on_progress,
            should_stop=self.should_stop,
            on_peak_memory=self.on_peak_memory,
            devices=devices,
        )
