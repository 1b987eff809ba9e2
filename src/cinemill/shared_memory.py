"""What a machine's shared memory (/dev/shm) allows: PostgreSQL's segments, workers' semaphores.

Containers often have none, or one that is read-only or of 64 MB.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
from pathlib import Path

from cinemill.errors import SharedMemoryUnusable

FOLDER = Path("/dev/shm")  # noqa: S108 - it is no temporary file's folder
HINT = (
    "Mount a larger tmpfs there (in Docker: --shm-size=256m). The embedded PostgreSQL does without "
    "it; one of your own may fail to build large indexes, and workers need some of it."
)
NEEDED_BYTES = 256 * 1024**2
"""Parallel builds of an index take PostgreSQL's maintenance_work_mem, and queries some more."""


def find_problem(folder: Path = FOLDER) -> str | None:
    """Return why PostgreSQL's POSIX segments do not fit into shared memory; None where they do."""
    if sys.platform != "linux":
        return None
    if not folder.is_dir():
        return f"{folder} does not exist"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"{folder} cannot be written"
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < NEEDED_BYTES:
        needed = f"and {NEEDED_BYTES // 1024**2} are needed"
        return f"{folder} has {free_bytes // 1024**2} MiB free, {needed}"
    return None


def require_semaphores() -> None:
    """Raise SharedMemoryUnusable where no semaphore can be created, which a worker's pool needs."""
    try:
        multiprocessing.get_context("fork").Lock()
    except (OSError, ImportError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SharedMemoryUnusable(
            f"Worker processes need semaphores, which cannot be created in {FOLDER}: {reason}."
        ) from error
