"""A file that is opened once, so that the bytes that are hashed are those that are loaded."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path

from cinemill.core.files.file_identity import FileIdentity, identify_file
from cinemill.errors import ToolMissing

_OPENED = Path("/proc/self/fd")


class NotRegular(OSError):
    """The name is that of a pipe, a device or a socket."""


@dataclass(frozen=True, slots=True)
class HeldFile:
    """An open file. It stays the same one even if another gets its name meanwhile."""

    path: Path
    """The name that it was opened by."""
    identity: FileIdentity
    """When it was opened."""
    _file: FileIO

    @property
    def loadable(self) -> Path:
        """Return a path by which a library opens this very file, for as long as it is held.

        Where the system has no such paths it is the name of the file.
        """
        opened = _OPENED / str(self._file.fileno())
        return opened if opened.exists() else self.path

    def read(self) -> bytes:
        """Return the whole content. Raises OSError."""
        self._file.seek(0)
        return self._file.read()

    def hash(self) -> str:
        """Return the SHA-256 in lower-case hex. Raises OSError."""
        self._file.seek(0)
        return hashlib.file_digest(self._file, "sha256").hexdigest()

    def require_unchanged(self) -> None:
        """Raise ToolMissing (``file_changed``) if the file was written to since it was opened.

        Another file may have got its name: what was opened is still what was hashed.
        """
        try:
            found = identify_file(self.loadable.stat())
        except OSError:
            found = None
        # The time of change is that of a new name, too.
        if found is None or replace(found, ctime_ns=self.identity.ctime_ns) != self.identity:
            raise changed(self.path)


def changed(path: Path) -> ToolMissing:
    """Return the error of a file that is being written."""
    return ToolMissing(
        f"{path} changed while it was read.",
        code="file_changed",
        hint="Wait until the file is complete.",
    )


@contextmanager
def hold_file(path: Path) -> Iterator[HeldFile]:
    """Open a file for the block.

    Raises OSError: IsADirectoryError for a folder, NotRegular for what is no file either.
    """
    # A pipe that nobody writes to would block otherwise.
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(opened)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(status.st_mode):
            raise NotRegular(errno.EINVAL, "Not a regular file", str(path))
        with os.fdopen(opened, "rb", buffering=0, closefd=False) as file:
            yield HeldFile(path, identify_file(status), file)
    finally:
        os.close(opened)
