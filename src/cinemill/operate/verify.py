"""Rows against files: every file that a row names is there and whole, and no file is nameless."""

from __future__ import annotations

import time
from dataclasses import dataclass

from cinemill.storage.assets import referenced_files
from cinemill.storage.database import Database
from cinemill.storage.files import LocalFiles, hash_file

GRACE_SECONDS = 3600.0
"""A file this young may belong to a row that is about to be committed."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """Hashes of files. ``repaired`` counts what was removed."""

    checked: int
    missing: tuple[str, ...]
    """A row names it; it is not there."""
    damaged: tuple[str, ...]
    """Its bytes do not hash to its name, or its size is not the row's."""
    orphans: tuple[str, ...]
    """No row names it."""
    repaired: int

    @property
    def is_clean(self) -> bool:
        return not (self.missing or self.damaged or self.orphans)


def verify_files(
    database: Database,
    files: LocalFiles,
    *,
    repair: bool = False,
    grace_seconds: float = GRACE_SECONDS,
) -> VerifyReport:
    """Read every stored file and compare. ``repair`` removes orphans and damaged files, so that
    the work that made them can be done again; nothing that a row needs and is whole is touched."""
    with database.begin() as connection:
        referenced = referenced_files(connection)
    missing, damaged = [], []
    for sha256, size_bytes in referenced.items():
        state = _judge(files, sha256, size_bytes)
        if state == "missing":
            missing.append(sha256)
        elif state == "damaged":
            damaged.append(sha256)
    orphans = find_orphans(database, files, grace_seconds=grace_seconds)
    repaired = sum(files.remove(sha256) for sha256 in [*damaged, *orphans]) if repair else 0
    return VerifyReport(
        checked=len(referenced),
        missing=tuple(missing),
        damaged=tuple(damaged),
        orphans=tuple(orphans),
        repaired=repaired,
    )


def find_orphans(database: Database, files: LocalFiles, *, grace_seconds: float) -> list[str]:
    """Stored files older than ``grace_seconds`` that no row names.

    Files are listed before rows are read, so a file that gets its row in between is not found.
    """
    before = time.time() - grace_seconds
    old = [sha256 for sha256, stat in files.walk() if stat.st_mtime <= before]
    with database.begin() as connection:
        referenced = referenced_files(connection)
    return [sha256 for sha256 in old if sha256 not in referenced]


def _judge(files: LocalFiles, sha256: str, size_bytes: int) -> str:
    path = files.path(sha256)
    if not path.is_file():
        return "missing"
    return "whole" if hash_file(path) == (sha256, size_bytes) else "damaged"
