"""The identity of a file's content without reading it: device, inode, size and times."""

from __future__ import annotations

import os
from dataclasses import dataclass

RACY_SECONDS = 2.0
"""Clocks of file systems tick coarsely, up to 2 s (FAT): a file that was changed so recently could
change again and keep its times."""


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """The numbers of a file of which one changes whenever its content may have changed."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int

    def is_settled(self, now_seconds: float) -> bool:
        """Check whether another change would change the times, at this time of day in seconds.

        It is not where the file seems to be of the future.
        """
        changed_seconds = max(self.mtime_ns, self.ctime_ns) / 1e9
        return now_seconds - changed_seconds >= RACY_SECONDS


def identify_file(status: os.stat_result) -> FileIdentity:
    """Return the identity of a file by what ``stat`` says of it."""
    return FileIdentity(
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    )
