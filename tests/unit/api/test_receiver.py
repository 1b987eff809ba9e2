"""The bytes of an upload: judged early, hashed whole, gone where it ends badly."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cinemill.api.upload.receiver import BATCH_BYTES, DISK_CHECK_BYTES, UploadLimits, UploadReceiver
from cinemill.errors import DiskFull, MediaRejected, TooLarge
from cinemill.storage.media.files import LocalFiles, StoredFile

FILM_HEAD = bytes.fromhex("1a45dfa3")
LIMITS = UploadLimits(max_upload_bytes=10**9, min_free_bytes=0)


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    return LocalFiles(tmp_path)


@pytest.fixture
def writers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


def names_in(files: LocalFiles) -> list[str]:
    return [path.name for path in files.root.rglob("*") if path.is_file()]


async def take(intake: UploadReceiver, content: bytes, block_bytes: int) -> StoredFile:
    async with intake:
        for start in range(0, len(content), block_bytes):
            await intake.write(content[start : start + block_bytes])
        return await intake.finish()


@pytest.mark.parametrize("block_bytes", [1000, 65_536, BATCH_BYTES, 3 * BATCH_BYTES])
def test_blocks_of_any_size_make_the_same_film(
    files: LocalFiles, writers: ThreadPoolExecutor, block_bytes: int
) -> None:
    content = FILM_HEAD + os.urandom(2 * BATCH_BYTES + 12_345)
    stored = asyncio.run(take(UploadReceiver(files, LIMITS, writers), content, block_bytes))
    assert stored == StoredFile(hashlib.sha256(content).hexdigest(), len(content))
    assert files.path(stored.sha256).read_bytes() == content
    assert names_in(files) == [stored.sha256]


def test_what_is_no_film_is_known_by_its_first_bytes(
    files: LocalFiles, writers: ThreadPoolExecutor
) -> None:
    async def begin() -> int:
        async with UploadReceiver(files, LIMITS, writers) as intake:
            with pytest.raises(MediaRejected):
                for _ in range(1000):
                    await intake.write(b"not a film " * 100)
            return intake.size_bytes

    assert asyncio.run(begin()) < 10_000
    assert names_in(files) == []


def test_film_over_the_limit_is_dropped(files: LocalFiles, writers: ThreadPoolExecutor) -> None:
    limits = UploadLimits(max_upload_bytes=5_000_000, min_free_bytes=0)
    with pytest.raises(TooLarge):
        asyncio.run(
            take(UploadReceiver(files, limits, writers), FILM_HEAD + bytes(5_000_000), 65_536)
        )
    assert names_in(files) == []


def test_disk_that_fills_meanwhile_stops_the_upload(
    tmp_path: Path, writers: ThreadPoolExecutor
) -> None:
    class FillingDisk(LocalFiles):
        def free_bytes(self) -> int:
            return 0

    files = FillingDisk(tmp_path)
    limits = UploadLimits(max_upload_bytes=10**9, min_free_bytes=1)
    content = FILM_HEAD + bytes(DISK_CHECK_BYTES + 3 * BATCH_BYTES)
    with pytest.raises(DiskFull):
        asyncio.run(take(UploadReceiver(files, limits, writers), content, BATCH_BYTES))
    assert names_in(files) == []


def test_cancelled_upload_leaves_nothing(files: LocalFiles, writers: ThreadPoolExecutor) -> None:
    async def cancel_in_the_middle() -> None:
        began = asyncio.Event()

        async def send_for_ever() -> None:
            async with UploadReceiver(files, LIMITS, writers) as intake:
                await intake.write(FILM_HEAD)
                while True:
                    await intake.write(bytes(BATCH_BYTES))
                    began.set()

        upload = asyncio.create_task(send_for_ever())
        await began.wait()
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload

    asyncio.run(cancel_in_the_middle())
    assert names_in(files) == []
