"""Files by content: written aside, verified, then renamed into place; never seen half-made.

``LocalFiles`` is the local kind. Object storage stands behind the same methods.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self
from uuid import uuid4

from cinemill.errors import OutputInvalid, StoredFileMissing
from cinemill.storage.media.folder_faults import explain_os_error

READ_BYTES = 1024 * 1024
OUTPUT_MARKER = ".cinemill"
"""In every folder in which results get names: a shelf may hold other people's folders too."""
_NO_LINK_ERRNOS = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP})
"""Another disk, or one without links, or of somebody else's rules."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that is in the store, whole. ``sha256`` is in lower-case hex and names it."""

    sha256: str
    size_bytes: int


class IncomingFile:
    """A file on its way in: hashed as it is written, invisible until committed."""

    def __init__(self, files: LocalFiles) -> None:
        self._files = files
        self._path = files.incoming_path()
        self._hash = hashlib.sha256()
        self._size_bytes = 0
        with raising_folder_faults():
            # Unbuffered: callers hand over blocks of a megabyte, a second copy would gain nothing.
            self._file: BinaryIO = self._path.open("xb", buffering=0)

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def write(self, block: bytes | bytearray | memoryview) -> None:
        """Append. Raises DiskFull."""
        self._hash.update(block)
        view = memoryview(block)
        with raising_folder_faults():
            while view:
                view = view[self._file.write(view) :]
        self._size_bytes += len(block)

    def commit(self, *, sha256: str | None = None) -> StoredFile:
        """Make it durable and visible under its hash. Raises OutputInvalid on a wrong checksum."""
        digest = self._hash.hexdigest()
        if sha256 is not None and sha256 != digest:
            raise OutputInvalid(f"the bytes received hash to {digest}, not to {sha256}")
        with raising_folder_faults():
            os.fsync(self._file.fileno())
        self._file.close()
        self._files.place(self._path, digest)
        return StoredFile(digest, self._size_bytes)

    def discard(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.discard()


class LocalFiles:
    """Content-addressed files below ``root``: ``ab/cd/abcd…``.

    All methods may run in any process at once; two that store the same bytes store them once.
    """

    def __init__(self, root: Path) -> None:
        """Create the folder where there is none. Raises FolderUnusable, DiskFull."""
        self.root = root
        self._incoming = root / "incoming"
        with raising_folder_faults():
            self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, sha256: str) -> Path:
        """Return the path of this hash's file, whether it exists or not."""
        return self.root / sha256[:2] / sha256[2:4] / sha256

    def require(self, sha256: str) -> Path:
        """Return the path of a stored file. Raises StoredFileMissing, FolderUnusable."""
        path = self.path(sha256)
        with raising_folder_faults():
            try:
                path.stat()
            except (FileNotFoundError, NotADirectoryError) as error:
                raise self._missing(sha256) from error
        return path

    def exists(self, sha256: str) -> bool:
        return self.path(sha256).is_file()

    def open(self, sha256: str) -> BinaryIO:
        """Open a stored file. Raises StoredFileMissing, FolderUnusable."""
        with raising_folder_faults():
            try:
                return self.path(sha256).open("rb")
            except FileNotFoundError as error:
                raise self._missing(sha256) from error

    def receive(self) -> IncomingFile:
        """Return a file to be written block by block; use it as a context manager."""
        return IncomingFile(self)

    def publish(self, path: Path, *, sha256: str | None = None) -> StoredFile:
        """Move a finished file in. Raises OutputInvalid where its hash is not ``sha256``, DiskFull.

        The file is moved when it is on the same disk, else copied, verified and removed.
        """
        digest, size_bytes = hash_file(path)
        if sha256 is not None and sha256 != digest:
            raise OutputInvalid(f"{path.name} hashes to {digest}, not to {sha256}")
        staged = self.incoming_path()
        try:
            self._write_temp(path, staged, digest)
            self.place(staged, digest)
        finally:
            staged.unlink(missing_ok=True)
        path.unlink(missing_ok=True)  # still there where it had to be copied
        return StoredFile(digest, size_bytes)

    def export(self, sha256: str, to: Path) -> None:
        """Make the file appear at ``to`` as well, whole or not at all, in place of what is there.

        On the same disk it is the same file by another name, and takes no room. Raises
        StoredFileMissing, FolderUnusable, DiskFull.
        """
        staged = to.with_name(f".{uuid4().hex}")
        with raising_folder_faults():
            try:
                _link_or_copy(self.path(sha256), staged)
                staged.replace(to)
            except FileNotFoundError as error:
                if self.path(sha256).exists():  # then it is the other folder
                    raise
                raise self._missing(sha256) from error
            finally:
                with suppress(OSError):
                    staged.unlink(missing_ok=True)

    def copy_in(self, path: Path) -> StoredFile:
        """Store a file that belongs to somebody else, which stays where it is."""
        with path.open("rb") as source, self.receive() as incoming:
            while block := source.read(READ_BYTES):
                incoming.write(block)
            return incoming.commit()

    def remove(self, sha256: str) -> bool:
        """Return whether there was such a file."""
        try:
            self.path(sha256).unlink()
        except FileNotFoundError:
            return False
        return True

    def remove_if(self, sha256: str, is_unwanted: Callable[[os.stat_result], bool]) -> int:
        """Remove a file that proves unwanted once out of reach; bytes freed, 0 where it stays.

        It is set aside first, so that nobody can come to rely on it between the question and the
        return; a process that stores the same bytes meanwhile creates them again.
        """
        aside = self.incoming_path()
        try:
            self.path(sha256).rename(aside)
        except FileNotFoundError:
            return 0
        stat = aside.stat()
        os.utime(aside)  # if this process dies now, it is young among what was broken off
        try:
            if is_unwanted(stat):
                aside.unlink()
                return stat.st_size
        except BaseException:
            aside.rename(self.path(sha256))
            raise
        aside.rename(self.path(sha256))
        return 0

    def walk(self) -> Iterator[tuple[str, os.stat_result]]:
        """Every stored file's hash with its stat."""
        for path in self.root.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*"):
            try:
                yield path.name, path.stat()
            except FileNotFoundError:
                continue

    def walk_incoming(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Files that were never committed: uploads under way, and what a crash left."""
        for path in self._incoming.iterdir():
            try:
                yield path, path.stat()
            except FileNotFoundError:
                continue

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.root).free

    def incoming_path(self) -> Path:
        return self._incoming / uuid4().hex

    def place(self, staged: Path, digest: str) -> None:
        """Rename a durable file to its final name. The same bytes twice: one file."""
        final = self.path(digest)
        with raising_folder_faults():
            final.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            staged.chmod(0o400)
            # Replacing an equal file renews its age, so that the collector leaves it alone until
            # the row that points at it is committed.
            os.utime(staged)
            staged.replace(final)
            _sync_folder(final.parent)

    def _missing(self, sha256: str) -> StoredFileMissing:
        return StoredFileMissing(
            f"The stored file {sha256} is missing in {self.root} on {socket.gethostname()}."
        )

    def _write_temp(self, path: Path, staged: Path, digest: str) -> None:
        with raising_folder_faults():
            try:
                path.rename(staged)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                shutil.copyfile(path, staged)
                if hash_file(staged)[0] != digest:
                    raise OutputInvalid(f"{path.name} changed while it was copied") from error
            _sync_file(staged)


def _link_or_copy(path: Path, to: Path) -> None:
    try:
        to.hardlink_to(path)
    except OSError as error:
        if error.errno not in _NO_LINK_ERRNOS:
            raise
        shutil.copyfile(path, to)


def hash_file(path: Path) -> tuple[str, int]:
    """(sha256 in hex, bytes) of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.tell()


@contextmanager
def raising_folder_faults() -> Iterator[None]:
    """Translate a full disk, quota or file size limit to DiskFull, and others to FolderUnusable."""
    try:
        yield
    except OSError as error:
        if (explained := explain_os_error(error)) is not None:
            raise explained from error
        raise


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    """Sync a folder: a rename is durable only once its folder is."""
    _sync_file(path)
