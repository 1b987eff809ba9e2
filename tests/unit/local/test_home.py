"""The home folder: private, created once, locked by one supervisor."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from cinemill.errors import DependencyUnavailable, HomeLocked
from cinemill.local.home import (
    FOLDERS,
    lock_home,
    open_home,
    remove_state,
    write_state,
)
from cinemill.storage.secrets import read_or_make_secret

NOBODY = 65534


def test_home_is_accessible_to_its_owner_only(tmp_path: Path) -> None:
    home = open_home(tmp_path / "deep" / "home")
    assert home.root.stat().st_mode & 0o777 == 0o700
    assert home.token_file.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in home.root.iterdir() if path.is_dir()} == set(FOLDERS)


def test_folders_that_others_could_read_are_closed(tmp_path: Path) -> None:
    root = tmp_path / "home"
    for folder in (root, root / "log", root / "renders"):
        folder.mkdir(mode=0o755)
    open_home(root)
    modes = {path.name: path.stat().st_mode & 0o777 for path in root.iterdir() if path.is_dir()}
    assert set(modes.values()) == {0o700}


def test_folder_elsewhere_keeps_its_mode(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "renders").symlink_to(shared)
    open_home(tmp_path / "home")
    assert shared.stat().st_mode & 0o777 == 0o755


def test_home_by_a_symbolic_link_is_the_folder_itself(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "disk")
    assert open_home(tmp_path / "home").root == (tmp_path / "disk").resolve()


def test_home_may_be_a_volume_of_another_user() -> None:
    """As containers have them, which run as any user: open to them, and not theirs."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    folder = Path(tempfile.mkdtemp(prefix="cinemill-test-"))
    try:
        folder.chmod(0o777)
        os.seteuid(NOBODY)
        try:
            home = open_home(folder)
        finally:
            os.seteuid(0)
        modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
        assert modes.pop(home.token_file.name) == 0o600
        assert set(modes.values()) == {0o700}
    finally:
        shutil.rmtree(folder)


def test_reopened_home_keeps_its_token(tmp_path: Path) -> None:
    first = open_home(tmp_path / "home").token_file.read_text()
    assert open_home(tmp_path / "home").token_file.read_text() == first


def test_home_tokens_are_long_and_differ(tmp_path: Path) -> None:
    secrets = {read_or_make_secret(tmp_path / str(number)) for number in range(10)}
    assert len(secrets) == 10
    assert min(map(len, secrets)) >= 43


def test_second_lock_on_a_home_is_refused_with_the_owners_pid(tmp_path: Path) -> None:
    home = open_home(tmp_path / "home")
    refused = pytest.raises(HomeLocked, match=rf"process {os.getpid()}\)")
    with lock_home(home), refused, lock_home(home):
        pass
    with lock_home(home):
        pass


def test_home_path_blocked_by_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a folder")
    with pytest.raises(DependencyUnavailable, match="cannot be used") as caught:
        open_home(tmp_path / "home")
    assert "CINEMILL_HOME" in caught.value.hint


def test_state_file_is_private_and_removed(tmp_path: Path) -> None:
    home = open_home(tmp_path / "home")
    write_state(home, {"pid": 7})
    assert json.loads(home.state_file.read_text()) == {"pid": 7}
    assert home.state_file.stat().st_mode & 0o777 == 0o600
    remove_state(home)
    assert not list(home.run.glob("*state*"))
