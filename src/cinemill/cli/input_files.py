"""Video files named on the command line: readability, display names, output folders."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from itertools import count
from pathlib import Path

from cinemill.core.text.file_names import make_stem
from cinemill.errors import CinemillError, InputRejected


class FileUnusable(InputRejected):
    """A file on the command line that cannot be read."""

    code = "file_unusable"
    http_status = 400
    hint = "Check the file's name, and that you may read it."


class FolderUnusable(InputRejected):
    """A folder on the command line that cannot be written to."""

    code = "folder_unusable"
    http_status = 400
    hint = "Choose another folder with --to, or make this one writable."


def display_names(videos: Iterable[Path]) -> dict[str, Path]:
    """Return a short name for each video: its file name, or its path if names collide."""
    videos = list(videos)
    short = [video.name for video in videos]
    return {video.name if short.count(video.name) == 1 else str(video): video for video in videos}


def find_unreadable(videos: dict[str, Path]) -> dict[str, CinemillError]:
    """Return, by name, an error for each video that cannot be read."""
    checked = {name: _unreadable_reason(video) for name, video in videos.items()}
    return {
        name: FileUnusable(f"{videos[name]} {why}.")
        for name, why in checked.items()
        if why is not None
    }


def _unreadable_reason(video: Path) -> str | None:
    if video.is_dir():
        return "is a folder, not a video"
    if not video.exists():
        return "does not exist"
    if not video.is_file():
        return "is not a regular file"  # A pipe might never end, nor might a device.
    return None if os.access(video, os.R_OK) else "cannot be read: permission denied"


def name_folders(names: list[str], to: Path | None) -> dict[str, Path | None]:
    """Return each video's output folder: ``to`` for a single video, else a subfolder of it.

    ``a/video.mp4`` and ``b/video.mov`` become ``video`` and ``video-2``.
    """
    if to is None or len(names) == 1:
        return dict.fromkeys(names, to)
    folders: dict[str, Path | None] = {}
    taken: set[str] = set()
    for name in names:
        stem = make_stem(name)
        numbered = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
        # Some file systems ignore case.
        free = next(one for one in numbered if one.casefold() not in taken)
        taken.add(free.casefold())
        folders[name] = to / free
    return folders


def require_writable(to: Path, folders: Iterable[Path | None]) -> None:
    """Create ``to`` and check that it and existing ``folders`` can be written to, before any work.

    Raises FolderUnusable.
    """
    _require_writable_folder(to)
    for folder in folders:
        if folder is not None and folder.exists():
            _require_writable_folder(folder)


def _require_writable_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise FolderUnusable(f"Cannot write to {folder}: {reason}.") from error
