"""``cinemill search``, ``ask``, ``graph`` and others: what videos say and show."""

from __future__ import annotations

import typer

from cinemill.cli.commands.search import assistants, contents, entities, questions, searches


def register(app: typer.Typer) -> None:
    app.command()(searches.search)
    app.command()(questions.ask)
    app.command()(entities.graph)
    app.command()(contents.chapters)
    app.command()(contents.scenes)
    app.command()(assistants.mcp)
