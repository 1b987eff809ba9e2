"""Files by content on a real disk: whole or not there, once however often they are stored."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.errors import DiskFull, OutputInvalid, StoredFileMissing
from cinemill.storage.media.files import LocalFiles, hash_file

MIB = 1024 * 1024
WRONG = "0" * 64


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def stored_names(files: LocalFiles) -> list[str]:
    return sorted(name for name, _ in files.walk())


def left_incoming(files: LocalFiles) -> list[Path]:
    return [path for path, _ in files.walk_incoming()]


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    return LocalFiles(tmp_path / "objects")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"a film")
    return path


def test_published_file_lies_under_its_hash_and_is_gone_from_where_it_was(
    files: LocalFiles, film: Path
) -> None:
    stored = files.publish(film)
    assert (stored.sha256, stored.size_bytes) == (digest_of(b"a film"), 6)
    assert files.path(stored.sha256).read_bytes() == b"a film"
    assert not film.exists()
    assert left_incoming(files) == []


def test_stored_file_cannot_be_written_to(files: LocalFiles, film: Path) -> None:
    stored = files.publish(film)
    assert files.path(stored.sha256).stat().st_mode & 0o777 == 0o400


def test_file_with_another_hash_than_it_should_have_is_refused_and_left_alone(
    files: LocalFiles, film: Path
) -> None:
    with pytest.raises(OutputInvalid, match=WRONG):
        files.publish(film, sha256=WRONG)
    assert film.read_bytes() == b"a film"
    assert stored_names(files) == []


def test_file_with_the_expected_hash_is_accepted(files: LocalFiles, film: Path) -> None:
    assert files.publish(film, sha256=digest_of(b"a film")).size_bytes == 6


def test_same_bytes_twice_are_one_file(files: LocalFiles, tmp_path: Path) -> None:
    for name in ("one.mp4", "two.mp4"):
        (tmp_path / name).write_bytes(b"same")
        files.publish(tmp_path / name)
    assert stored_names(files) == [digest_of(b"same")]


def test_storing_a_file_again_makes_it_young(files: LocalFiles, film: Path) -> None:
    """The collector takes old files that no row names; this one is about to be named."""
    stored = files.publish(film)
    path = files.path(stored.sha256)
    os.utime(path, (0, 0))
    film.write_bytes(b"a film")
    files.publish(film)
    assert path.stat().st_mtime > 0


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_received_blocks_are_one_file(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[bytes]
) -> None:
    files = LocalFiles(tmp_path_factory.mktemp("objects"))
    with files.receive() as incoming:
        for block in blocks:
            incoming.write(block)
        assert incoming.size_bytes == sum(map(len, blocks))
        stored = incoming.commit()
    assert stored.sha256 == digest_of(b"".join(blocks))
    with files.open(stored.sha256) as file:
        assert file.read() == b"".join(blocks)


def test_received_file_is_invisible_before_commit_and_gone_without_one(files: LocalFiles) -> None:
    with files.receive() as incoming:
        incoming.write(b"half a film")
        assert stored_names(files) == []
        assert len(left_incoming(files)) == 1
    assert left_incoming(files) == []
    assert not files.exists(digest_of(b"half a film"))


def test_upload_that_breaks_off_leaves_nothing(files: LocalFiles) -> None:
    with pytest.raises(ConnectionError), files.receive() as incoming:
        incoming.write(b"half a film")
        raise ConnectionError
    assert left_incoming(files) == []
    assert stored_names(files) == []


def test_received_bytes_that_hash_otherwise_are_refused(files: LocalFiles) -> None:
    with files.receive() as incoming:
        incoming.write(b"a film")
        with pytest.raises(OutputInvalid):
            incoming.commit(sha256=WRONG)
    assert stored_names(files) == []
    assert left_incoming(files) == []


def test_file_that_is_copied_in_stays_where_it_is(files: LocalFiles, film: Path) -> None:
    stored = files.copy_in(film)
    assert film.exists()
    assert hash_file(files.path(stored.sha256)) == (stored.sha256, 6)


def test_concurrent_writers_store_same_and_different_bytes(
    files: LocalFiles, tmp_path: Path
) -> None:
    contents = [bytes([n % 5]) * 50_000 for n in range(40)]

    def store(numbered: tuple[int, bytes]) -> str:
        number, content = numbered
        if number % 2:
            with files.receive() as incoming:
                incoming.write(content)
                return incoming.commit().sha256
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(content)
        return files.publish(path).sha256

    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(store, enumerate(contents)))
    assert names == [digest_of(content) for content in contents]
    assert stored_names(files) == sorted(set(names))
    assert all(hash_file(files.path(name))[0] == name for name in names)
    assert left_incoming(files) == []


def test_missing_file_is_said_to_be_missing(files: LocalFiles) -> None:
    for ask in (files.open, files.require, lambda name: files.export(name, files.root / "out")):
        with pytest.raises(StoredFileMissing, match=str(files.root)) as missing:
            ask(WRONG)
        assert missing.value.code == "file_missing"
        assert missing.value.is_retryable  # another machine may have it
    assert not files.exists(WRONG)
    assert not files.remove(WRONG)


def test_removed_file_is_gone(files: LocalFiles, film: Path) -> None:
    stored = files.publish(film)
    assert files.remove(stored.sha256)
    assert stored_names(files) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a file system of its own needs root")
    options = ["-t", "tmpfs", "-o", "size=1m", "cinemill-test"]
    if subprocess.run(["mount", *options, str(folder)], capture_output=True).returncode != 0:
        pytest.skip("this machine mounts nothing, not even for root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_is_said_to_be_full_and_nothing_is_left_of_what_came(small_disk: Path) -> None:
    files = LocalFiles(small_disk / "objects")
    with pytest.raises(DiskFull), files.receive() as incoming:
        for _ in range(4):
            incoming.write(b"x" * MIB)
    assert left_incoming(files) == []
    assert stored_names(files) == []


def test_file_from_another_disk_is_copied_verified_and_removed(
    small_disk: Path, film: Path
) -> None:
    files = LocalFiles(small_disk / "objects")
    stored = files.publish(film)
    assert hash_file(files.path(stored.sha256)) == (stored.sha256, 6)
    assert not film.exists()


def test_file_from_another_disk_that_does_not_fit_leaves_nothing_and_stays(
    small_disk: Path, tmp_path: Path
) -> None:
    files = LocalFiles(small_disk / "objects")
    large = tmp_path / "large.mp4"
    large.write_bytes(b"x" * 2 * MIB)
    with pytest.raises(DiskFull):
        files.publish(large)
    assert large.exists()
    assert left_incoming(files) == []
    assert stored_names(files) == []


def test_store_accepts_files_again_after_space_was_freed(small_disk: Path) -> None:
    files = LocalFiles(small_disk / "objects")
    with pytest.raises(DiskFull), files.receive() as incoming:
        incoming.write(b"x" * 2 * MIB)
    with files.receive() as incoming:
        incoming.write(b"fits")
        assert files.exists(incoming.commit().sha256)
