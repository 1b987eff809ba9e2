"""Hashes of files that are named by a path, remembered for as long as the file stays as it is.

A path alone says nothing about content. A file is recognised by its device, inode, size and both
times, to the nanosecond: the time of change is set by the kernel on every write and every rename,
also where a program sets the time of modification back. What is remembered is shared by all
processes of a machine through Redis, and holds until the machine is restarted, since a device may
have another number afterwards.
"""

from __future__ import annotations

import hashlib
import os
import platform
import stat
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path
from threading import Lock

import psutil

from cinemill.core.documents import quote
from cinemill.core.files.file_identity import FileIdentity, identify_file
from cinemill.errors import InputRejected, NotFound, WorkFailed
from cinemill.storage.cache.store import CacheStore, Lookup

PREFIX = "cinemill:file_hash:"
READ_BYTES = 1024 * 1024
MOST_REMEMBERED = 10_000
"""In a process; about 3 MB."""
TTL_SECONDS = 24 * 3600
"""In Redis, where a file takes about 250 bytes."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_CHECK_DIGITS = 16
_VALUE_BYTES = 64 + _CHECK_DIGITS


@dataclass(frozen=True, slots=True)
class FileHash:
    """The content of a file at one moment."""

    sha256: str
    size_bytes: int
    was_known: bool
    """Whether nothing had to be read."""


class FileHashes:
    """Remembers the hashes of files. Safe to share between threads."""

    def __init__(
        self, store: CacheStore | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        """Without ``store`` only this process remembers. ``clock`` is that of the file system."""
        self._store = store
        self._clock = clock
        self._known: OrderedDict[FileIdentity, str] = OrderedDict()
        self._lock = Lock()

    def hash_file(
        self,
        path: Path,
        *,
        on_progress: Callable[[int], None] = lambda size_bytes: None,
        should_stop: Callable[[], Exception | None] = lambda: None,
    ) -> FileHash:
        """Return the SHA-256 of a file, reading it only where that is not known.

        ``on_progress`` is called with the number of bytes read so far, ``should_stop`` returns the
        exception to raise. Raises NotFound (``file_missing``), InputRejected (``file_unreadable``),
        WorkFailed (``file_changed`` where the file changed while it was read).
        """
        with _open_regular(path) as file:
            identity = identify_file(os.fstat(file))
            known = self._find(identity)
            if known is not None:
                return FileHash(known, identity.size_bytes, was_known=True)
            digest = _read_all(file, path, on_progress, should_stop)
            if identify_file(os.fstat(file)) != identity:
                raise WorkFailed(
                    f"{quote(str(path))} changed while it was read.",
                    code="file_changed",
                    hint="Wait until the file is complete, then try again.",
                )
        self._remember(identity, digest)
        return FileHash(digest, identity.size_bytes, was_known=False)

    def _find(self, identity: FileIdentity) -> str | None:
        with self._lock:
            known = self._known.get(identity)
            if known is not None:
                self._known.move_to_end(identity)
                return known
        shared = self._find_shared(identity)
        if shared is not None:
            self._keep(identity, shared)
        return shared

    def _find_shared(self, identity: FileIdentity) -> str | None:
        if self._store is None:
            return None
        key = _shared_key(identity)
        outcome, value = self._store.read(key, most_bytes=_VALUE_BYTES)
        if outcome is not Lookup.HIT:
            return None
        digest = value[:64].decode("ascii", "replace")
        if value == _shared_value(key, digest):
            return digest
        self._store.delete(key)
        return None

    def _remember(self, identity: FileIdentity, digest: str) -> None:
        if not identity.is_settled(self._clock()):
            return
        self._keep(identity, digest)
        if self._store is not None:
            key = _shared_key(identity)
            self._store.write(key, _shared_value(key, digest), ttl_seconds=TTL_SECONDS)

    def _keep(self, identity: FileIdentity, digest: str) -> None:
        with self._lock:
            self._known[identity] = digest
            self._known.move_to_end(identity)
            if len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)


@contextmanager
def _open_regular(path: Path) -> Iterator[int]:
    try:
        # A pipe that nobody writes to would block otherwise.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"There is no file {quote(str(path))}.", code="file_missing") from error
    except (OSError, ValueError) as error:
        raise _unreadable(path, "cannot be opened") from error
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise _unreadable(path, "is not a regular file")
        yield file
    finally:
        os.close(file)


def _read_all(
    file: int,
    path: Path,
    on_progress: Callable[[int], None],
    should_stop: Callable[[], Exception | None],
) -> str:
    hashed = hashlib.sha256()
    block = memoryview(bytearray(READ_BYTES))
    done = 0
    try:
        while size := os.readv(file, [block]):
            if (stop := should_stop()) is not None:
                raise stop
            hashed.update(block[:size])
            done += size
            on_progress(done)
    except OSError as error:
        raise _unreadable(path, "cannot be read") from error
    return hashed.hexdigest()


def _unreadable(path: Path, problem: str) -> InputRejected:
    return InputRejected(f"{quote(str(path))} {problem}.", code="file_unreadable")


def _shared_key(identity: FileIdentity) -> str:
    return PREFIX + ":".join(map(str, (_machine(), *astuple(identity))))


def _shared_value(key: str, digest: str) -> bytes:
    check = hashlib.sha256(f"{key}={digest}".encode("ascii", "replace")).hexdigest()
    return f"{digest}{check[:_CHECK_DIGITS]}".encode("ascii", "replace")


@cache
def _machine() -> str:
    """Return what distinguishes this machine, since it was started, from all others."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return f"{platform.node()}/{int(psutil.boot_time())}"
