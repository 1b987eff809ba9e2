"""Flower requires the installation's token."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cinemill.errors import SecretUnusable
from cinemill.worker.flower import BASIC_AUTH, require_sign_in


def test_flower_password_is_the_token_of_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BASIC_AUTH, "")
    require_sign_in(tmp_path / "home")
    token = (tmp_path / "home" / "token").read_text().strip()
    assert len(token) >= 32
    assert os.environ[BASIC_AUTH] == f"cinemill:{token}"


def test_flower_credentials_of_the_user_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BASIC_AUTH, "ann:secret")
    require_sign_in(tmp_path)
    assert os.environ[BASIC_AUTH] == "ann:secret"


@pytest.mark.parametrize("given", [":", "ann:", "ann", ":secret", "ann:secret,bob:", ","])
def test_flower_user_without_a_password_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv(BASIC_AUTH, given)
    with pytest.raises(SecretUnusable, match=BASIC_AUTH):
        require_sign_in(tmp_path)


def test_blank_flower_credentials_are_replaced_by_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BASIC_AUTH, " ")
    require_sign_in(tmp_path)
    assert os.environ[BASIC_AUTH].startswith("cinemill:")


def test_flower_refuses_an_empty_token_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(BASIC_AUTH, raising=False)
    (tmp_path / "token").write_text("")
    with pytest.raises(SecretUnusable):
        require_sign_in(tmp_path)
