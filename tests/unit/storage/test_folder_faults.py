"""A folder's or a disk's fault is told as one, and nothing else is."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from cinemill.errors import DiskFull, FolderUnusable
from cinemill.jobs.runs.failures import describe_failure, name_cause
from cinemill.storage.media.files import LocalFiles
from cinemill.storage.media.folder_faults import explain_os_error


def fault(number: int, path: object = "/srv/cinemill/objects/ab") -> OSError:
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_room_is_a_full_disk(number: int) -> None:
    assert isinstance(explain_os_error(fault(number)), DiskFull)
    assert isinstance(explain_os_error(OSError(number, "no room")), DiskFull)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EROFS, "read-only"),
        (errno.EACCES, "cannot be read or written by user"),
        (errno.EPERM, "cannot be read or written by user"),
        (errno.ESTALE, "cannot be reached"),
        (errno.EIO, "cannot be reached"),
        (errno.ENOTCONN, "cannot be reached"),
    ],
)
def test_a_folder_at_fault_is_named(number: int, words: str) -> None:
    for path in ("/srv/cinemill/objects/ab", b"/srv/cinemill/objects/ab"):
        found = explain_os_error(fault(number, path))
        assert isinstance(found, FolderUnusable)
        assert words in found.message
        assert "/srv/cinemill/objects/ab" in found.message


def test_the_highest_missing_folder_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "mount" / "renders" / "job" / "out.mp4"
    with pytest.raises(FileNotFoundError) as raised:
        missing.open("wb")
    found = explain_os_error(raised.value)
    assert isinstance(found, FolderUnusable)
    assert f"There is no folder {tmp_path / 'mount'} on " in found.message


def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "renders").touch()
    with pytest.raises(NotADirectoryError) as raised:
        (tmp_path / "renders" / "out.mp4").open("wb")
    found = explain_os_error(raised.value)
    assert isinstance(found, FolderUnusable)
    assert str(tmp_path / "renders") in found.message


def test_what_may_be_a_bug_stays_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        (tmp_path / "out.mp4").open("rb")
    for error in (raised.value, fault(errno.EBADF), OSError("?"), ValueError("/x"), KeyError(1)):
        assert name_cause(error) is error
    assert describe_failure(name_cause(raised.value)).code == "internal_error"


def test_a_failure_of_a_run_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        (tmp_path / "away" / "x").mkdir()
    failure = describe_failure(name_cause(raised.value))
    assert (failure.code, failure.retryable) == ("folder_unusable", True)
    assert str(tmp_path / "away") in failure.message
    assert not failure.log_tail


def test_a_store_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(FolderUnusable, match=str(tmp_path / "home")):
        LocalFiles(tmp_path / "home" / "objects")
