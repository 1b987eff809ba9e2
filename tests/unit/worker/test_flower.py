"""Flower lets in those who have the installation's token."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cinemill.errors import SecretUnusable
from cinemill.worker.flower import BASIC_AUTH, require_sign_in


def test_the_token_of_the_home_is_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BASIC_AUTH, "")
    require_sign_in(tmp_path / "home")
    token = (tmp_path / "home" / "token").read_text().strip()
    assert len(token) >= 32
    assert os.environ[BASIC_AUTH] == f"cinemill:{token}"


def test_another_name_and_password_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BASIC_AUTH, "ann:secret")
    require_sign_in(tmp_path)
    assert os.environ[BASIC_AUTH] == "ann:secret"


@pytest.mark.parametrize("given", [":", "ann:", "ann", ":secret", "ann:secret,bob:", ","])
def test_nobody_is_let_in_without_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv(BASIC_AUTH, given)
    with pytest.raises(SecretUnusable, match=BASIC_AUTH):
        require_sign_in(tmp_path)


def test_a_blank_sign_in_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BASIC_AUTH, " ")
    require_sign_in(tmp_path)
    assert os.environ[BASIC_AUTH].startswith("cinemill:")


def test_a_token_file_without_a_token_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(BASIC_AUTH, raising=False)
    (tmp_path / "token").write_text("")
    with pytest.raises(SecretUnusable):
        require_sign_in(tmp_path)
