"""What a step's FFmpeg commands have in common: the binary, the folder and the limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cinemill.media.ffmpeg.binary import FfmpegBinary
from cinemill.media.ffmpeg.evidence import identify_failure, identify_success
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.process import (
    FfmpegFailed,
    FfmpegProgress,
    FfmpegReport,
    run_ffmpeg,
)
from cinemill.media.ffmpeg.sandbox import Sandbox


def _ignore(_reported: float | str) -> None:
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
    on_command: Callable[[str], None] = _ignore
    """Called with the evidence of each command that succeeded: see ``media.ffmpeg.evidence``."""

    def run(
        self,
        arguments: Sequence[str],
        *,
        readable: Sequence[Path] = (),
        on_progress: Callable[[FfmpegProgress], None],
        devices: Sequence[Path] = (),
    ) -> FfmpegReport:
        """Run one FFmpeg with these arguments, with access to these files, devices and the folder.

        Raises what :func:`run_ffmpeg` raises; its failures carry their evidence.
        """
        arguments = self.binary.omit_missing_decoders(arguments)
        try:
            report = self._run(arguments, readable, on_progress, devices)
        except FfmpegFailed as failed:
            self.on_command("")
            if not devices:
                failed.evidence = identify_failure(
                    arguments,
                    self.folder,
                    failed.errors,
                    code=failed.code,
                    exit_code=failed.exit_code,
                )
            raise
        # A driver may have a part in what a device made.
        evidence = "" if devices else identify_success(arguments, self.folder, report.errors)
        self.on_command(evidence)
        return report

    def _run(
        self,
        arguments: Sequence[str],
        readable: Sequence[Path],
        on_progress: Callable[[FfmpegProgress], None],
        devices: Sequence[Path],
    ) -> FfmpegReport:
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
