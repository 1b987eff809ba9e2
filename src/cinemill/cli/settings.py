"""``cinemill config``: what is in force, where it comes from, secrets masked."""

from __future__ import annotations

from dataclasses import asdict

import typer

from cinemill.cli import doors, options
from cinemill.cli.screen import console, make_table, print_json
from cinemill.cli.serve import warn


def register(app: typer.Typer) -> None:
    app.command("config")(show_settings)


def show_settings(json: options.Json = False) -> None:
    """Show every setting with its source; secrets are masked. Exit code 2 names all problems."""
    settings = doors.load_settings()
    rows = settings.describe()
    if json:
        document = {"settings": [asdict(row) for row in rows], "warnings": list(settings.warnings)}
        print_json(document)
        return
    table = make_table("Setting", "Value", "Source", "Meaning")
    for row in rows:
        table.add_row(row.name, row.value_masked, row.source, row.meaning)
    console().print(table)
    warn(settings)
