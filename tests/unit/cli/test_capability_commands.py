"""Commands of installed packages: looked up after built-in ones, and left out if broken."""

from __future__ import annotations

from typing import Any, cast

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


def make_unspeakable() -> typer.Typer:
    made = typer.Typer(add_completion=False)

    @made.command(help=cast("str", 7))
    def shout() -> None: ...

    return made


def make_loudly() -> typer.Typer:
    print("hello")
    return make_command()


def test_what_a_factory_prints_is_no_output_of_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, echo=make_loudly)
    assert CliRunner().invoke(app, ["echo", "hello"]).stdout == "HELLO\n"


def test_help_survives_a_command_whose_help_is_no_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, odd=make_unspeakable, echo=make_command)
    done = CliRunner().invoke(app, ["--help"])
    assert done.exit_code == 0
    assert "Print a word as an echo does." in done.stdout


def test_entry_point_of_a_broken_package_hides_no_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever a package calls its entry point, the command belongs to the capability's name."""
    install(monkeypatch, lost=make_command)
    assert CliRunner().invoke(app, ["lost", "hello"]).stdout == "HELLO\n"


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        (fail, "OSError: no licence"),
        (lambda: None, "returns a NoneType instead of a typer.Typer"),
        (typer.Typer, "RuntimeError"),
        (make_unspeakable, "AttributeError"),
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
