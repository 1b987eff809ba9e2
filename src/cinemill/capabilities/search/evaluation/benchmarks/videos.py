"""The files of a benchmark's videos, which its annotations know by name without an ending."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cinemill.capabilities.search.evaluation.benchmarks.records import BenchmarkInvalid

SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".flv", ".wmv")
"""Where a folder has a video with several of them, the first of these is used."""


@dataclass(frozen=True, slots=True)
class FoundVideos:
    """Which of a benchmark's videos are there."""

    files: dict[str, Path]
    """By the names of videos, in the order of the benchmark."""
    missing: tuple[str, ...]


def find_videos(folder: Path, names: Iterable[str]) -> FoundVideos:
    """Return the files of these videos in a folder and in the folders in it.

    Raises BenchmarkInvalid (``benchmark_videos_missing``) if none is there, or the folder cannot be
    read.
    """
    wanted = dict.fromkeys(names)
    present = _list_files(folder)
    files = {name: present[name] for name in wanted if name in present}
    if not files:
        raise BenchmarkInvalid(
            f"None of the {len(wanted)} videos of the annotations is in {folder}.",
            code="benchmark_videos_missing",
            hint=f"Name the folder with the videos, named as in the annotations, such as "
            f"{next(iter(wanted))}.mp4.",
        )
    return FoundVideos(files, tuple(name for name in wanted if name not in files))


def _list_files(folder: Path) -> dict[str, Path]:
    def refuse(error: OSError) -> None:
        raise BenchmarkInvalid(
            f"{error.filename} cannot be read: {error.strerror}.", code="benchmark_videos_missing"
        ) from error

    found: dict[str, Path] = {}
    for place, folders, names in os.walk(folder, onerror=refuse):
        folders.sort()
        for path in sorted(Path(place, name) for name in names):
            suffix = path.suffix.lower()
            if suffix not in SUFFIXES or not path.is_file():
                continue
            known = found.get(path.stem)
            if known is None or _order(path) < _order(known):
                found[path.stem] = path
    return found


def _order(path: Path) -> int:
    return SUFFIXES.index(path.suffix.lower())
