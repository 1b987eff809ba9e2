"""Films as the command line names them: which can be read, what they are called, where they go."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from itertools import count
from pathlib import Path

from cinemill.errors import CinemillError, InputRejected


class FileUnusable(InputRejected):
    """A file that was named and cannot be read."""

    code = "file_unusable"
    http_status = 400
    hint = "Check the file's name, and that you may read it."


class FolderUnusable(InputRejected):
    """A folder that was named and cannot be written into."""

    code = "folder_unusable"
    http_status = 400
    hint = "Choose another folder with --to, or make this one writable."


def display_names(films: Iterable[Path]) -> dict[str, Path]:
    """A short name for each film: its file's, or its path where two files are called the same."""
    films = list(films)
    short = [film.name for film in films]
    return {film.name if short.count(film.name) == 1 else str(film): film for film in films}


def find_unreadable(films: dict[str, Path]) -> dict[str, CinemillError]:
    """By name, why a film cannot even be read."""
    checked = {name: _unreadable_reason(film) for name, film in films.items()}
    return {
        name: FileUnusable(f"{films[name]} {why}.")
        for name, why in checked.items()
        if why is not None
    }


def _unreadable_reason(film: Path) -> str | None:
    if film.is_dir():
        return "is a folder, not a video"
    if not film.exists():
        return "does not exist"
    if not film.is_file():
        return "is not a regular file"  # A pipe, which might never end, or a device.
    return None if os.access(film, os.R_OK) else "cannot be read: permission denied"


def name_folders(names: list[str], to: Path | None) -> dict[str, Path | None]:
    """Where each film's files go: ``to`` itself for one film, else a folder of its own in there.

    ``a/film.mp4`` and ``b/film.mov`` become ``film`` and ``film-2``.
    """
    if to is None or len(names) == 1:
        return dict.fromkeys(names, to)
    folders: dict[str, Path | None] = {}
    taken: set[str] = set()
    for name in names:
        stem = Path(name).stem
        numbered = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
        # Some disks do not tell Film from film.
        free = next(one for one in numbered if one.casefold() not in taken)
        taken.add(free.casefold())
        folders[name] = to / free
    return folders


def try_folders(to: Path, folders: Iterable[Path | None]) -> None:
    """Make ``to`` and write in it, and in what is there of ``folders``: before the work, not after.

    Raises FolderUnusable.
    """
    _try_folder(to)
    for folder in folders:
        if folder is not None and folder.exists():
            _try_folder(folder)


def _try_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise FolderUnusable(f"Cannot write to {folder}: {reason}.") from error
