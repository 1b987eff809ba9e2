"""``cinemill assets`` and ``cinemill rm``: videos, as people name them."""

from __future__ import annotations

import typer

from cinemill.cli.commands.videos import assets, remove


def register(app: typer.Typer) -> None:
    app.add_typer(assets.app, name="assets")
    app.command("rm")(remove.remove)
