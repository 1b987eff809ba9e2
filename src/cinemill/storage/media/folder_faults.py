"""Errors of the operating system that are a folder's or a disk's fault, in words."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from cinemill.errors import CinemillError, DiskFull, FolderUnusable

SPACE_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_AWAY_ERRNOS = frozenset(
    {errno.ESTALE, errno.EIO, errno.ENOTCONN, errno.EHOSTDOWN, errno.EREMOTEIO, errno.ETIMEDOUT}
)
"""What a network's or a broken disk's file system says."""


def explain_os_error(error: OSError) -> CinemillError | None:
    """Return an error that names the folder or the disk at fault; None for any other error.

    A missing file in a folder that exists says nothing: its caller knows why it should be
    there.
    """
    path = _path_of(error)
    if error.errno in SPACE_ERRNOS:
        return DiskFull(f"The disk is full{f': {path} was not written' if path else ''}.")
    if path is None:
        return None
    if error.errno == errno.EROFS:
        return FolderUnusable(f"{path} cannot be written: its file system is read-only.")
    if error.errno in (errno.EACCES, errno.EPERM):
        user = f"user {os.geteuid()}"
        return FolderUnusable(f"{path} cannot be read or written by {user} on {_host()}.")
    if error.errno in _AWAY_ERRNOS:
        return FolderUnusable(f"{path} cannot be reached on {_host()} ({error.strerror}).")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return _explain_missing(path)
    return None


def _explain_missing(path: Path) -> FolderUnusable | None:
    missing: Path | None = None
    for folder in path.parents:
        try:
            if folder.is_dir():
                break
        except OSError:
            pass
        missing = folder
    if missing is None:
        return None
    return FolderUnusable(f"There is no folder {missing} on {_host()}.")


def _path_of(error: OSError) -> Path | None:
    name = error.filename
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    return Path(name) if isinstance(name, str) and "/" in name else None


def _host() -> str:
    return socket.gethostname()
