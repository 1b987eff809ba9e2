"""``cinemill index``: the vectors that Qdrant proposes the nearest passages from."""

from __future__ import annotations

import typer

from cinemill.cli.commands.index import rebuild

app = typer.Typer(
    help="Manage the vectors in Qdrant, which large libraries are searched with.",
    no_args_is_help=True,
)


@app.callback()
def choose_index() -> None:
    """Keep the name of a command, although there is one."""


app.command("rebuild")(rebuild.rebuild)
