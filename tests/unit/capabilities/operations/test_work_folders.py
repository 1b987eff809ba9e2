"""Cleanup when a worker starts: work folders, and nothing else in the folder."""

from __future__ import annotations

from uuid import uuid4

from cinemill.jobs.runs.leftovers import is_work_folder


def test_work_folder_is_recognized_by_its_token() -> None:
    assert is_work_folder(uuid4().hex)


def test_other_folders_are_not_taken_for_work_folders() -> None:
    for name in ("films", "systemd-private-5f", uuid4().hex[:31], str(uuid4()), "a" * 33, ""):
        assert not is_work_folder(name)
