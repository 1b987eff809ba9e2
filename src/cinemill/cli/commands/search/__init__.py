"""``cinemill search``, ``ask``, ``graph`` and ``mcp``: what videos say and show."""

from __future__ import annotations

import typer

from cinemill.cli.commands.search import assistants, entities, questions, searches


def register(app: typer.Typer) -> None:
    app.command()(searches.search)
    app.command()(questions.ask)
    app.command()(entities.graph)
    app.command()(assistants.mcp)
