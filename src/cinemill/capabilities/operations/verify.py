"""Comparison of rows and files: every named file exists and is intact, and every file has a row."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from cinemill.storage.database import Database
from cinemill.storage.media.files import LocalFiles, hash_file
from cinemill.storage.media.orphans import record_orphans
from cinemill.storage.media.referenced_files import list_referenced, list_sources

GRACE_SECONDS = 3600.0
"""A file without a row that is younger than this may belong to one that is about to be
committed."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """Hashes of files by finding. ``repaired`` counts what was removed."""

    checked: int
    missing: tuple[str, ...]
    """A row names the file, but it does not exist."""
    damaged: tuple[str, ...]
    """The file's bytes do not hash to its name, or its size is not the row's."""
    orphans: tuple[str, ...]
    """No row names the file, and none did when it was first found, at least an hour ago."""
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
    """Read every stored file and compare it with the rows.

    ``repair`` removes orphans, and damaged derived files, so that the work that created them can be
    repeated. A damaged source stays: it is the only copy.
    """
    with database.begin() as connection:
        referenced = list_referenced(connection)
    missing, damaged = [], []
    for sha256, size_bytes in referenced.items():
        state = _compare(files, sha256, size_bytes)
        if state == "missing":
            missing.append(sha256)
        elif state == "damaged":
            damaged.append(sha256)
    orphans = find_orphans(database, files, grace_seconds=grace_seconds)
    repaired = 0
    if repair:
        repaired = _repair(database, files, damaged, orphans, referenced)
    return VerifyReport(
        checked=len(referenced),
        missing=tuple(missing),
        damaged=tuple(damaged),
        orphans=tuple(orphans),
        repaired=repaired,
    )


def _repair(
    database: Database,
    files: LocalFiles,
    damaged: Sequence[str],
    orphans: Mapping[str, str],
    referenced: Mapping[str, int],
) -> int:
    with database.begin() as connection:
        sources = list_sources(connection)
    count = 0
    for sha256 in orphans:
        count += files.remove_if(sha256, partial(is_orphan, database, sha256, orphans[sha256])) > 0
    for sha256 in damaged:
        # Checked again: a retry may have restored it since.
        if sha256 not in sources and _compare(files, sha256, referenced[sha256]) == "damaged":
            count += files.remove(sha256)
    return count


def is_orphan(database: Database, sha256: str, identity: str, stat: os.stat_result) -> bool:
    """Check whether a file that was set aside is the expected one, and no row names it now."""
    if identify(stat) != identity:
        return False
    with database.begin() as connection:
        return sha256 not in list_referenced(connection, only=sha256)


def identify(stat: os.stat_result) -> str:
    """Return an identity that changes when the same bytes are stored again."""
    return f"{stat.st_ino}-{stat.st_mtime_ns}"


def find_orphans(database: Database, files: LocalFiles, *, grace_seconds: float) -> dict[str, str]:
    """Return stored files that no row has named for ``grace_seconds``, with their identities.

    They are recorded when first found, so all are young the first time. Files are listed before
    rows are read, so a file that gets its row in between is not found.
    """
    found = {sha256: identify(stat) for sha256, stat in files.walk()}
    with database.begin() as connection:
        for sha256 in list_referenced(connection):
            found.pop(sha256, None)
        old = record_orphans(connection, found, grace_seconds=grace_seconds)
    return {sha256: found[sha256] for sha256 in old}


def _compare(files: LocalFiles, sha256: str, size_bytes: int) -> str:
    path = files.path(sha256)
    if not path.is_file():
        return "missing"
    return "whole" if hash_file(path) == (sha256, size_bytes) else "damaged"
