"""Files under names that people can use, beside the store that knows them by content."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from cinemill.storage.files import LocalFiles

_UNSAFE = re.compile(r"[^\w.\- ()]+")
LONGEST_STEM = 100


def put_on_shelf(files: LocalFiles, sha256: str, shelf: Path, job_id: str, filename: str) -> Path:
    """Give a stored file a name below ``shelf``, in a folder of its job; answers the path.

    Repeating it changes nothing, so a try that is lost after it does no harm.
    """
    folder = shelf / job_id
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / filename
    files.export(sha256, path)
    return path


def make_stem(filename: str) -> str:
    """A film's name without its ending, of characters that every file system takes."""
    stem = _UNSAFE.sub("_", PurePath(filename).stem).strip(" .")
    return stem[:LONGEST_STEM] or "film"
