"""``cinemill config``: the effective settings and their sources, with secrets masked."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from cinemill.cli import connect, options
from cinemill.cli.commands.serve import warn
from cinemill.cli.console import console, make_table, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from cinemill.config import SettingRow

WIDE = 140


def register(app: typer.Typer) -> None:
    app.command("config")(show_settings)


def show_settings(json: options.Json = False) -> None:
    """Show all settings and their sources, with secrets masked. Exit code 2 if one is invalid."""
    settings = connect.load_settings()
    rows = settings.describe()
    if json:
        document = {"settings": [asdict(row) for row in rows], "warnings": list(settings.warnings)}
        print_json(document)
        return
    screen = console()
    if screen.width < WIDE:
        _show_narrow(screen, rows)
    else:
        table = make_table("!Setting", "Value", "!Source", "Meaning")
        for row in rows:
            table.add_row(row.name, row.value_masked, row.source, row.meaning)
        screen.print(table)
    warn(settings)


def _show_narrow(screen: Console, rows: list[SettingRow]) -> None:
    """Print each setting on a line with its meaning below, for narrow terminals."""
    for row in rows:
        is_default = row.source == "default"
        source = "" if is_default else f"  ({row.source})"
        screen.print(f"{row.name}={row.value_masked}{source}", style="" if is_default else "bold")
        screen.print(f"    {row.meaning}", style="dim")
