"""The bytes of one upload on their way to the store: checked early, hashed and written in threads.

While a thread hashes and writes one batch, the event loop gathers the next; no more than two
batches of an upload are in memory. Blocks are handed on as the socket gave them, never joined.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from cinemill.errors import DiskFull, TooLarge
from cinemill.media.probe.sniff import sniff
from cinemill.storage.media.files import IncomingFile, LocalFiles, StoredFile

BATCH_BYTES = 2 * 1024 * 1024
HEAD_BYTES = 4096
DISK_CHECK_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What an upload may take."""

    max_upload_bytes: int
    min_free_bytes: int
    """Free disk space that must be left when it is in."""


def check_declared_size(limits: UploadLimits, files: LocalFiles, announced_bytes: int) -> None:
    """Refuse by its announced size, before a byte is read. Raises TooLarge or DiskFull."""
    if announced_bytes > limits.max_upload_bytes:
        raise _too_large(limits)
    check_space(limits, files, announced_bytes)


def check_space(limits: UploadLimits, files: LocalFiles, wanted_bytes: int = 0) -> None:
    """Raise DiskFull where ``wanted_bytes`` more would leave less than the minimum free."""
    if files.free_bytes() - wanted_bytes < limits.min_free_bytes:
        raise DiskFull("There is not enough free disk space for this upload.")


class UploadReceiver:
    """Takes the blocks of one file in order. Leaving it without ``finish`` leaves no file."""

    def __init__(self, files: LocalFiles, limits: UploadLimits, writers: Executor) -> None:
        self._files = files
        self._limits = limits
        self._writers = writers
        self._incoming: IncomingFile = files.receive()
        self._batch: list[bytes] = []
        self._batch_bytes = 0
        self._head: bytes | None = b""
        """The first bytes until they have been judged; None afterwards."""
        self._pending_write: Future[None] | None = None
        self._next_disk_check_bytes = DISK_CHECK_BYTES
        self.size_bytes = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pending_write is not None:
            # A thread may be in the middle of a write (two megabytes at most): the file must not
            # be closed under it, not even while this task is being cancelled.
            self._pending_write.cancel()
            wait([self._pending_write])
        self._incoming.discard()

    async def write(self, block: bytes) -> None:
        """Store some bytes. Raises MediaRejected (by the first bytes), TooLarge, DiskFull."""
        self.size_bytes += len(block)
        if self.size_bytes > self._limits.max_upload_bytes:
            raise _too_large(self._limits)
        self._sniff_head(block)
        self._batch.append(block)
        self._batch_bytes += len(block)
        if self._batch_bytes >= BATCH_BYTES:
            await self._flush()

    async def finish(self) -> StoredFile:
        """Judge and store what has come. Raises MediaRejected, DiskFull."""
        if self._head is not None:
            sniff(self._head)
        await self._flush()
        await self._await_write()
        return await asyncio.wrap_future(self._writers.submit(self._incoming.commit))

    def _sniff_head(self, block: bytes) -> None:
        if self._head is None:
            return
        self._head += block[: HEAD_BYTES - len(self._head)]
        if len(self._head) == HEAD_BYTES:
            sniff(self._head)
            self._head = None

    async def _flush(self) -> None:
        await self._await_write()
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        if batch:
            self._pending_write = self._writers.submit(self._write_batch, batch)

    async def _await_write(self) -> None:
        """Wait for the batch under way, and raise what went wrong with it."""
        if self._pending_write is not None:
            await asyncio.wrap_future(self._pending_write)
            self._pending_write = None

    def _write_batch(self, batch: list[bytes]) -> None:
        for block in batch:
            self._incoming.write(block)
        if self._incoming.size_bytes >= self._next_disk_check_bytes:
            self._next_disk_check_bytes = self._incoming.size_bytes + DISK_CHECK_BYTES
            check_space(self._limits, self._files)


def _too_large(limits: UploadLimits) -> TooLarge:
    gigabytes = limits.max_upload_bytes / 1024**3
    return TooLarge(f"The file is larger than the limit of {gigabytes:.3g} GiB.")
