"""Locks on MIG instances, so that each has one process among those of all workers.

All workers of a machine that share a home share its locks; those of other homes do not know them.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

LOCKS_FOLDER = Path("run")
"""In the home."""


def take_instance(uuids: Sequence[str], folder: Path) -> str | None:
    """Lock the first of these instances that no process has, for as long as this process lives.

    The kernel releases the lock when the process dies, however it dies; the file in ``folder``
    stays. A process that this one forks shares the lock, a program that it starts does not.
    Returns None if every instance is taken, also by this process itself. Raises OSError if
    ``folder`` cannot be written or its file system has no locks.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return next((uuid for uuid in uuids if _lock(folder / _name_file(uuid))), None)


def _lock(path: Path) -> bool:
    """Return whether the file is locked now; its descriptor then stays open on purpose."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return False
        raise
    return True


def _name_file(uuid: str) -> str:
    # Older drivers name an instance by its GPU and two numbers: MIG-GPU-…/7/0.
    return f"{uuid.replace('/', '_')}.lock"
