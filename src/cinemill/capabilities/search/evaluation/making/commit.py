"""Finding the commit that a working copy is on, by reading git's files.

Changes that are not committed cannot be seen this way: commit before a final measurement.
"""

from __future__ import annotations

import re
from pathlib import Path

from cinemill.capabilities.search.evaluation.making.corpus_files import CommitInvalid

_LARGEST_FILE_BYTES = 16 * 1024 * 1024
_HASH = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_REFERENCE = re.compile(r"refs/[\w./+-]{1,200}")


def read_commit(working_copy: Path) -> str:
    """Return the hash of the commit that is checked out. Raises CommitInvalid if there is none."""
    folder = _find_git_folder(working_copy)
    head = _read(folder / "HEAD")
    if _HASH.fullmatch(head):
        return head
    reference = head.removeprefix("ref:").strip()
    if not _REFERENCE.fullmatch(reference) or ".." in reference:
        raise CommitInvalid(f"{folder / 'HEAD'} names no branch.")
    common = folder / _read(folder / "commondir") if (folder / "commondir").is_file() else folder
    for path in (folder / reference, common / reference):
        if path.is_file() and _HASH.fullmatch(_read(path)):
            return _read(path)
    for line in _read(common / "packed-refs").splitlines():
        value, _, name = line.partition(" ")
        if name == reference and _HASH.fullmatch(value):
            return value
    raise CommitInvalid(f"The branch {reference} has no commit.")


def _find_git_folder(working_copy: Path) -> Path:
    path = working_copy / ".git"
    if path.is_dir():
        return path
    # A linked working copy has a file that names the folder.
    named = _read(path)
    if not named.startswith("gitdir:"):
        raise CommitInvalid(f"{path} does not name a folder.")
    return working_copy / named.removeprefix("gitdir:").strip()


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_FILE_BYTES).decode("utf-8", "replace").strip()
    except OSError as missing:
        raise CommitInvalid(f"{path} cannot be read: {missing.strerror}.") from missing
