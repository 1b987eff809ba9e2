"""Log files of the services: opened for appending, rotated by size, their last lines shown.

A service keeps its file open, so a full one is copied and then truncated in place: that works for
every program that appends, servers included, and for the watched file of ``telemetry``.
``NAME.log`` is what a service logs itself (for servers: all of their output); ``NAME.out`` is what
a Python service writes to its standard output and error in addition.
"""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

FILE_BYTES = 10 * 1024 * 1024
FILES_KEPT = 5
TAIL_BYTES = 16 * 1024
PATTERNS = ("*.log", "*.out")


@contextmanager
def open_log(path: Path) -> Iterator[IO[bytes]]:
    """Open the file that a child appends to, readable by its owner only."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        yield file


def rotate_logs(folder: Path, *, file_bytes: int = FILE_BYTES, kept: int = FILES_KEPT) -> int:
    """Rotate every log larger than ``file_bytes``: NAME.log.1 is the newest of ``kept``.

    Returns how many were rotated. Files that disappear meanwhile are skipped.
    """
    logs = [path for pattern in PATTERNS for path in folder.glob(pattern)]
    full = [path for path in logs if _size_bytes(path) > file_bytes]
    for path in full:
        _rotate(path, kept)
    return len(full)


def read_tail(path: Path, *, lines: int = 20) -> str:
    """Return the last lines of a log; empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, _size_bytes(path) - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(deque(text.splitlines(), maxlen=lines))


def _rotate(path: Path, kept: int) -> None:
    for number in range(kept - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))
    newest = path.with_name(f"{path.name}.1")
    try:
        shutil.copy2(path, newest)
    except OSError:
        # No room for a second copy: the lines are given up, and the room is free again.
        newest.unlink(missing_ok=True)
    os.truncate(path, 0)


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
