"""``cinemill doctor``: tries every part, and says what to do about what is wrong."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from cinemill.cli import doors, options
from cinemill.cli.exits import ExitCode
from cinemill.cli.screen import print_json

if TYPE_CHECKING:
    from cinemill.cli.soundings import Finding

MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(json: options.Json = False) -> None:
    """Check every part of this installation by trying it. Exit code 3 when something fails."""
    from cinemill.cli.soundings import Level, sound_all
    from cinemill.config import join_running

    settings = join_running(doors.load_settings())
    findings = []
    for finding in sound_all(settings):
        findings.append(finding)
        if not json:
            show_finding(finding)
    if json:
        print_json([asdict(finding) for finding in findings])
    if any(finding.level is Level.FAIL for finding in findings):
        raise typer.Exit(ExitCode.UNAVAILABLE)


def show_finding(finding: Finding) -> None:
    mark, color = MARKS[finding.level]
    typer.echo(f"{typer.style(mark, fg=color)} {finding.part:<9} {finding.words}")
    if finding.way_on:
        typer.echo(f"  {'':<9} → {finding.way_on}")
