"""Commands of installed packages: looked up after built-in ones, and left out if broken."""

from __future__ import annotations

from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cinemill import catalog
from cinemill.capability import Capability
from cinemill.capability.composition import Composition, Installed
from cinemill.cli import capability_commands
from cinemill.cli.main import app
from cinemill.errors import NotFound
from cinemill.jobs.catalog import Catalog
from cinemill.steps.discovery import LeftOut, Origin


def make_command() -> typer.Typer:
    made = typer.Typer(add_completion=False)

    @made.command()
    def shout(word: str) -> None:
        """Print a word as an echo does."""
        if word == "nobody":
            raise NotFound("Nobody answers.", code="nobody")
        typer.echo(word.upper())

    return made


def install(monkeypatch: pytest.MonkeyPatch, **factories: Any) -> Composition:
    """Install fake capabilities with these names and command factories."""
    installed = tuple(
        Installed(
            Origin(f"cinemill-{name}", "1.0", name),
            Capability(name, (), (), lambda _: {}, build_command=factory),
        )
        for name, factory in factories.items()
    )
    left_out = LeftOut.because(Origin("cinemill-lost", "1.0", "lost"), "cannot be imported: why.")
    composition = Composition((), installed, (left_out,), Catalog({}, {}, {}))
    monkeypatch.setattr(catalog, "COMPOSITION", composition)
    monkeypatch.setattr(capability_commands, "is_any_installed", lambda: True)
    return composition


def fail() -> None:
    raise OSError("no licence")


def test_capability_command_runs_with_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, echo=make_command)
    done = CliRunner().invoke(app, ["echo", "hello"])
    assert (done.exit_code, done.stdout) == (0, "HELLO\n")


def test_capability_command_errors_set_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, echo=make_command)
    done = CliRunner().invoke(app, ["echo", "nobody"])
    assert done.exit_code == 2
    assert "Nobody answers." in done.stderr


def test_capability_command_is_listed_after_built_in_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, echo=make_command, silent=None, broken=fail)
    words = CliRunner().invoke(app, ["--help"]).stdout
    assert words.index("doctor") < words.index("Print a word as an echo does.")
    assert "broken" not in words


def test_capability_command_cannot_replace_a_built_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    composition = install(monkeypatch, config=make_command)
    assert "echo" not in CliRunner().invoke(app, ["config", "--help"]).stdout
    own = vars(typer.main.get_command(app))["commands"]
    (left_out,) = capability_commands.check_commands(composition, own)
    assert "Cinemill has a command 'config' of its own" in left_out.reason


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        (fail, "OSError: no licence"),
        (lambda: None, "returns a NoneType instead of a typer.Typer"),
        (typer.Typer, "RuntimeError"),
        (lambda _: None, "TypeError"),
    ],
)
def test_capability_command_that_is_broken_reports_the_reason(
    monkeypatch: pytest.MonkeyPatch, factory: Any, words: str
) -> None:
    install(monkeypatch, echo=factory)
    done = CliRunner().invoke(app, ["echo"])
    assert done.exit_code == 3
    assert words in done.stderr
    assert "cinemill-echo" in done.stderr


def test_capability_that_is_left_out_reports_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    done = CliRunner().invoke(app, ["lost"])
    assert done.exit_code == 3
    assert "cinemill-lost 1.0 cannot be imported: why." in done.stderr


def test_unknown_command_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, echo=make_command)
    assert CliRunner().invoke(app, ["ecco"]).exit_code == 2
