"""The default of CINEMILL_INPUT_ROOTS, the folders that videos may be imported from."""

from __future__ import annotations

from pathlib import Path

import pytest

from cinemill.config import load


def test_service_in_the_root_folder_does_not_open_the_whole_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir("/")
    roots = load({"CINEMILL_HOME": str(tmp_path)}).input_roots
    assert Path("/") not in roots
    assert roots


def test_current_folder_is_an_input_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert tmp_path.resolve() in load({"CINEMILL_HOME": str(tmp_path)}).input_roots
