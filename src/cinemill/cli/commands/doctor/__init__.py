"""``cinemill doctor``: tests every component and prints a hint for each problem."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from cinemill.cli import connect, options
from cinemill.cli.console import print_json
from cinemill.cli.exit_codes import ExitCode
from cinemill.cli.terminal.printable import escape
from cinemill.cli.terminal.screen import find_width, paint
from cinemill.cli.terminal.wrapping import wrap

if TYPE_CHECKING:
    from cinemill.cli.commands.doctor.check import Check

TEXT_INDENT = 12
MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(ctx: typer.Context, json: options.Json = False) -> None:
    """Test every component of this installation. Exit code 3 if a check fails."""
    from cinemill.cli.commands.doctor.check import Level
    from cinemill.cli.commands.doctor.checks import run_checks

    findings = []
    own = getattr(ctx.find_root().command, "commands", {})
    for finding in run_checks(connect.load_settings(), tuple(own)):
        findings.append(finding)
        if not json:
            show_finding(finding)
    if json:
        print_json([asdict(finding) for finding in findings])
    if any(finding.level is Level.FAIL for finding in findings):
        raise typer.Exit(ExitCode.UNAVAILABLE)


def show_finding(finding: Check) -> None:
    mark, color = MARKS[finding.level]
    first, *more = _wrap(finding.message)
    typer.echo(f"{paint(mark, color, sys.stdout)} {finding.part:<9} {first}")
    for line in more:
        typer.echo(f"  {'':<9} {line}")
    for number, line in enumerate(_wrap(finding.hint)):
        typer.echo(f"  {'':<9} {' ' if number else '→'} {line}")


def _wrap(words: str) -> list[str]:
    """Return lines that fit next to the part's name, without breaking paths; one line in a log."""
    width = find_width(sys.stdout)
    room = None if width is None else max(20, width - TEXT_INDENT - 2)
    return wrap(escape(words), room).split("\n") if words else []
