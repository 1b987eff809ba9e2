"""``cinemill verify``: compares records and files."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from typing import Annotated, Any

import typer

from cinemill.cli import connect, options
from cinemill.cli.console import console, make_table, print_json, print_message
from cinemill.cli.exit_codes import ExitCode


def register(app: typer.Typer) -> None:
    app.command()(verify)


def verify(
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Delete files without a record, and damaged outputs; processing the video again "
            "re-creates them. Uploaded originals are never deleted.",
        ),
    ] = False,
    json: options.Json = False,
) -> None:
    """Check that every stored file exists and is undamaged, by size and SHA-256.

    Exit code 1 if a file is missing or damaged, even after --repair.
    """
    from cinemill.capabilities.operations.verify import verify_files
    from cinemill.storage.database import Database
    from cinemill.storage.media.files import LocalFiles

    settings = connect.load_settings()
    database_url = connect.find_session_address(settings)
    database = Database(database_url, pool_size=1, application_name="cinemill verify")
    try:
        found = verify_files(database, LocalFiles(settings.home / "objects"), repair=repair)
    finally:
        database.close()
    _show(found, json=json)
    # Repair restores no file: the damaged ones that it deletes are missing from then on.
    if found.missing or found.damaged:
        raise typer.Exit(ExitCode.JOB_FAILED)


def _show(found: Any, *, json: bool) -> None:
    document = asdict(found) if is_dataclass(found) and not isinstance(found, type) else vars(found)
    if json:
        print_json(document)
        return
    table = make_table("", ">Count")
    for name, value in document.items():
        table.add_row(name, str(len(value) if isinstance(value, list | tuple | set) else value))
    console().print(table)
    for name in ("missing", "damaged", "orphans"):
        rows = document.get(name)
        for row in rows if isinstance(rows, list | tuple) else ():
            print_message(f"{name}: {row}")
