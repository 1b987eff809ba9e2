"""Flower lets in those who have the installation's token."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cinemill.errors import SecretUnusable
from cinemill.worker.flower import SIGN_IN, ask_for_token


def test_the_token_of_the_home_is_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SIGN_IN, "")
    ask_for_token(tmp_path / "home")
    token = (tmp_path / "home" / "token").read_text().strip()
    assert len(token) >= 32
    assert os.environ[SIGN_IN] == f"cinemill:{token}"


def test_another_name_and_password_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SIGN_IN, "ann:secret")
    ask_for_token(tmp_path)
    assert os.environ[SIGN_IN] == "ann:secret"


@pytest.mark.parametrize("given", [":", "ann:", "ann", ":secret", "ann:secret,bob:", ","])
def test_nobody_is_let_in_without_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv(SIGN_IN, given)
    with pytest.raises(SecretUnusable, match=SIGN_IN):
        ask_for_token(tmp_path)


def test_a_blank_sign_in_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIGN_IN, " ")
    ask_for_token(tmp_path)
    assert os.environ[SIGN_IN].startswith("cinemill:")


def test_a_token_file_without_a_token_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SIGN_IN, raising=False)
    (tmp_path / "token").write_text("")
    with pytest.raises(SecretUnusable):
        ask_for_token(tmp_path)
