"""Fixtures that run the command line in this process, with a fake server or without any."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner

from cinemill.cli.main import app

if TYPE_CHECKING:
    from tests.unit.conftest import LittleServer

Run = Callable[..., Any]


@pytest.fixture(autouse=True, scope="package")
def commands_built_once() -> Iterator[None]:
    """Build the tree of commands once: it takes longer than most commands, and is always the same.

    Typer's runner builds it at every call.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(typer.main.get_command))
        yield


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set up a home folder for this test, and an environment without any settings."""
    for name in ("CINEMILL_URL", "CINEMILL_TOKEN", "DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CINEMILL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def cinemill(home: Path) -> Run:
    """Return a function ``cinemill(*arguments)``; no server runs on its home."""
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def fake_server(server: LittleServer, home: Path, monkeypatch: pytest.MonkeyPatch) -> LittleServer:
    """Return a fake server that CINEMILL_URL names."""
    monkeypatch.setenv("CINEMILL_URL", server.url)
    monkeypatch.setenv("CINEMILL_TOKEN", "t")
    return server
