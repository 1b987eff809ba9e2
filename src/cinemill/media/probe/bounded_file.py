"""A file of which only so many bytes may be read: a search in it cannot become a reading of all."""

from __future__ import annotations

from typing import BinaryIO


class BoundedFile:
    """Passes everything on to ``file``; once its bytes are used up, the file seems to end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._bytes_left: int | None = None

    def allow(self, size_bytes: int) -> None:
        """Let this many bytes be read from now on."""
        self._bytes_left = size_bytes

    @property
    def is_used_up(self) -> bool:
        """Whether the file seemed to end for that."""
        return self._bytes_left is not None and self._bytes_left <= 0

    def read(self, size_bytes: int = -1) -> bytes:
        if self._bytes_left is None:
            return self._file.read(size_bytes)
        at_most = self._bytes_left if size_bytes < 0 else min(size_bytes, self._bytes_left)
        data = self._file.read(at_most)
        self._bytes_left -= len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True
