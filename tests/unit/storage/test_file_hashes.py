"""A file's hash is remembered only for as long as the file certainly stays as it is."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from cinemill.errors import InputRejected, JobCancelled, NotFound, WorkFailed
from cinemill.storage.cache import file_hashes
from cinemill.storage.cache.file_hashes import READ_BYTES, FileHashes


def later() -> float:
    """Return a moment at which no file of a test is new any more."""
    return time.time() + 3600


@pytest.fixture
def hashes() -> FileHashes:
    return FileHashes(clock=later)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"one")
    return path


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_file_is_read_once(hashes: FileHashes, film: Path) -> None:
    first, second = hashes.hash_file(film), hashes.hash_file(film)
    assert first.sha256 == second.sha256 == sha256(b"one")
    assert (first.size_bytes, second.size_bytes) == (3, 3)
    assert (first.was_known, second.was_known) == (False, True)


def test_file_under_another_name_is_known(hashes: FileHashes, film: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.mp4"
    link.symlink_to(film)
    hashes.hash_file(film)
    assert hashes.hash_file(link).was_known


def test_changed_file_is_read_again(hashes: FileHashes, film: Path) -> None:
    hashes.hash_file(film)
    film.write_bytes(b"two")
    found = hashes.hash_file(film)
    assert (found.sha256, found.was_known) == (sha256(b"two"), False)


def test_changed_file_whose_time_was_set_back_is_read_again(hashes: FileHashes, film: Path) -> None:
    before = film.stat()
    hashes.hash_file(film)
    with film.open("r+b") as file:
        file.write(b"two")
    os.utime(film, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = film.stat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (
        before.st_ino,
        before.st_size,
        before.st_mtime_ns,
    )
    assert hashes.hash_file(film).sha256 == sha256(b"two")


def test_replaced_file_is_read_again(hashes: FileHashes, film: Path, tmp_path: Path) -> None:
    hashes.hash_file(film)
    other = tmp_path / "other.mp4"
    other.write_bytes(b"two")
    other.replace(film)
    assert hashes.hash_file(film).sha256 == sha256(b"two")


def test_file_that_was_changed_just_now_is_not_remembered(film: Path) -> None:
    changed = film.stat().st_ctime
    soon = FileHashes(clock=lambda: changed + 1.9)
    assert [soon.hash_file(film).was_known for _ in range(2)] == [False, False]
    past = FileHashes(clock=lambda: changed - 100)
    assert [past.hash_file(film).was_known for _ in range(2)] == [False, False]
    calm = FileHashes(clock=lambda: changed + 2.1)
    assert [calm.hash_file(film).was_known for _ in range(2)] == [False, True]


def test_file_with_a_time_of_the_future_is_not_remembered(hashes: FileHashes, film: Path) -> None:
    future = time.time_ns() + 10**13
    os.utime(film, ns=(future, future))
    assert [hashes.hash_file(film).was_known for _ in range(2)] == [False, False]


def test_file_that_changes_while_it_is_read_has_no_hash(hashes: FileHashes, film: Path) -> None:
    film.write_bytes(b"x" * (2 * READ_BYTES))

    def append(_: int) -> None:
        if film.stat().st_size == 2 * READ_BYTES:
            with film.open("ab") as file:
                file.write(b"y")

    with pytest.raises(WorkFailed) as refused:
        hashes.hash_file(film, on_progress=append)
    assert refused.value.code == "file_changed"
    assert not hashes.hash_file(film).was_known


def test_progress_counts_the_bytes_read(hashes: FileHashes, film: Path) -> None:
    film.write_bytes(b"x" * (2 * READ_BYTES + 5))
    done: list[int] = []
    hashes.hash_file(film, on_progress=done.append)
    assert done[-1] == 2 * READ_BYTES + 5
    assert done == sorted(done)
    known: list[int] = []
    hashes.hash_file(film, on_progress=known.append)
    assert known == []


def test_hashing_can_be_stopped(hashes: FileHashes, film: Path) -> None:
    film.write_bytes(b"x" * (2 * READ_BYTES))
    stop = JobCancelled("The job was cancelled.")
    with pytest.raises(JobCancelled):
        hashes.hash_file(film, should_stop=lambda: stop)
    assert not hashes.hash_file(film).was_known


def test_empty_file_has_a_hash(hashes: FileHashes, film: Path) -> None:
    film.write_bytes(b"")
    assert hashes.hash_file(film).sha256 == sha256(b"")


def test_missing_file_is_reported(hashes: FileHashes, tmp_path: Path) -> None:
    with pytest.raises(NotFound) as refused:
        hashes.hash_file(tmp_path / "nothing.mp4")
    assert refused.value.code == "file_missing"


def test_folder_and_pipe_are_refused_at_once(hashes: FileHashes, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero"), tmp_path / "a\0b"):
        with pytest.raises(InputRejected) as refused:
            hashes.hash_file(path)
        assert refused.value.code == "file_unreadable"


def test_only_the_latest_hashes_are_remembered(
    hashes: FileHashes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_hashes, "MOST_REMEMBERED", 3)
    films = [tmp_path / f"{number}.mp4" for number in range(4)]
    for one in films:
        one.write_bytes(one.name.encode())
    for one in (films[0], films[1], films[2], films[0], films[3]):
        hashes.hash_file(one)
    known = [hashes.hash_file(films[number]).was_known for number in (0, 2, 3)]
    assert known == [True, True, True]
    assert not hashes.hash_file(films[1]).was_known
