"""Detection of the hardware encoders that work on this machine."""

from __future__ import annotations

import sys
from pathlib import Path

from cinemill.config import Settings
from cinemill.media.encoding.hardware import Hardware, list_candidates


def find_hardware(settings: Settings) -> Hardware:
    """Return the hardware encoders of this machine, each tested by a tiny encode.

    Raises ToolMissing.
    """
    # Imported here for start-up cost: beat has nothing to do with FFmpeg.
    from cinemill.media.encoding.hardware_probe import probe_all
    from cinemill.media.ffmpeg.binary import find_ffmpeg
    from cinemill.media.ffmpeg.sandbox import detect_sandbox

    candidates = list_candidates(Path("/dev"), sys.platform)
    if not candidates:
        return Hardware()
    return probe_all(
        find_ffmpeg(settings.ffmpeg_path), detect_sandbox(settings.sandbox), candidates
    )
