"""On which terms a step's commands run: with which tool, where, within what, and who is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cinemill.media.ffmpeg.binary import Toolbox
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.process import FfmpegProgress, FfmpegReport, run_ffmpeg
from cinemill.media.ffmpeg.sandbox import Sandbox


@dataclass(frozen=True, slots=True)
class Terms:
    toolbox: Toolbox
    folder: Path
    """Private; all that is written is written there."""
    limits: Limits
    sandbox: Sandbox
    on_progress: Callable[[float], None]
    """Told the share that is done, 0 to 1."""
    should_stop: Callable[[], Exception | None]
    """Asked several times a second; what it answers is raised."""

    def run(
        self,
        arguments: Sequence[str],
        *,
        readable: Sequence[Path],
        on_progress: Callable[[FfmpegProgress], None],
        devices: Sequence[Path] = (),
    ) -> FfmpegReport:
        """One FFmpeg with these arguments, which sees these files, devices and the folder; see
        :func:`run_ffmpeg` for what it raises."""
        return run_ffmpeg(
            self.toolbox,
            arguments,
            folder=self.folder,
            source=None,
            readable=readable,
            limits=self.limits,
            sandbox=self.sandbox,
            on_progress=on_progress,
            should_stop=self.should_stop,
            devices=devices,
        )
