"""Retention of named outputs, such as renditions and previews."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from cinemill.storage.media.files import OUTPUT_MARKER

GIGABYTE = 10**9
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class OutputFile:
    path: Path
    modified_at: float
    """Unix seconds."""
    size_bytes: int


def remove_outputs(
    folders: Sequence[Path], *, now: float, max_age_days: float, max_size_gb: float
) -> dict[str, int]:
    """Remove files older than ``max_age_days``, then the oldest until the rest fit ``max_size_gb``.

    ``now`` is in Unix seconds. A gigabyte has 10⁹ bytes. The store's copies stay, so an output can
    be restored without work.
    Returns ``deleted_files`` and ``freed_bytes``; bytes that the store still holds are not freed.
    """
    doomed = select_expired(
        list_files(folders),
        oldest=now - max_age_days * DAY_SECONDS,
        max_bytes=int(max_size_gb * GIGABYTE),
    )
    freed_bytes = sum(_remove(file) for file in doomed)
    for folder in folders:
        _remove_empty_folders(folder)
    return {"deleted_files": len(doomed), "freed_bytes": freed_bytes}


def select_expired(
    files: Sequence[OutputFile], *, oldest: float, max_bytes: int
) -> list[OutputFile]:
    """Return the files to remove, oldest first; ``oldest`` is in Unix seconds."""
    doomed = []
    left_bytes = sum(file.size_bytes for file in files)
    for file in sorted(files, key=lambda file: (file.modified_at, file.path)):
        if file.modified_at >= oldest and left_bytes <= max_bytes:
            break
        doomed.append(file)
        left_bytes -= file.size_bytes
    return doomed


def list_files(folders: Sequence[Path]) -> list[OutputFile]:
    """Return every file in a job's folder below these output folders."""
    return [file for shelf in folders for file in _walk(shelf)]


def _walk(shelf: Path) -> Iterator[OutputFile]:
    for mark in list(shelf.glob(f"*/{OUTPUT_MARKER}")):
        for path in mark.parent.glob("*"):
            with suppress(FileNotFoundError):
                stat = path.lstat()
                if path != mark and S_ISREG(stat.st_mode):
                    # The folder's age: the file itself may be as old as the store's.
                    yield OutputFile(path, path.parent.stat().st_mtime, stat.st_size)


def _remove(file: OutputFile) -> int:
    """Remove the file and return the freed bytes: none if the store has the same file."""
    with suppress(FileNotFoundError):
        is_last_name = file.path.lstat().st_nlink == 1
        file.path.unlink()
        return file.size_bytes if is_last_name else 0
    return 0


def _remove_empty_folders(shelf: Path) -> None:
    for mark in list(shelf.glob(f"*/{OUTPUT_MARKER}")):
        with suppress(OSError):  # already removed
            if list(mark.parent.iterdir()) == [mark]:
                mark.unlink()
                mark.parent.rmdir()
