"""``cinemill submit``: send films now, look later."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli import connect, options
from cinemill.cli.console import print_error, print_json
from cinemill.cli.exit_codes import exit_code_of, highest

if TYPE_CHECKING:
    from cinemill.cli.uploads import UploadBatch, UploadResult
    from cinemill.client import JobDocument


def register(app: typer.Typer) -> None:
    app.command()(submit)


def submit(
    file: options.Films,
    priority: options.Priority = None,
    thumbnail_seconds: options.ThumbnailSeconds = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option(help="Requests with the same key create only one job. For a single file."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Upload videos, print their job IDs and return at once.

    If one video is rejected, the others are still uploaded.
    """
    from cinemill.cli.input_files import display_names, find_unreadable
    from cinemill.cli.uploads import UploadBatch, UploadResult

    if idempotency_key and len(file) > 1:
        raise typer.BadParameter(
            "can be used with a single file only", param_hint="--idempotency-key"
        )
    named = display_names(file)
    sent = UploadResult(errors=find_unreadable(named))
    films = {name: film for name, film in named.items() if name not in sent.errors}
    try:
        if films:
            _send(films, UploadBatch(priority, thumbnail_seconds, idempotency_key), sent, json=json)
    finally:
        # Whatever ends this early: the films that were taken must not be lost sight of.
        if json and (sent.jobs or sent.errors):
            print_json(list(sent.jobs.values()))
        for name, error in sent.errors.items():
            print_error(error, as_json=json, about=name)
    raise typer.Exit(highest(exit_code_of(error) for error in sent.errors.values()))


def _send(films: dict[str, Path], wish: UploadBatch, sent: UploadResult, *, json: bool) -> None:
    from cinemill.cli.progress import open_display
    from cinemill.cli.uploads import send_films

    with connect.connect() as mill, open_display(quiet=json) as display:
        send_films(
            mill,
            films,
            wish,
            display,
            sent,
            on_accepted=lambda job: None if json else _print_id(job),
        )


def _print_id(job: JobDocument) -> None:
    """At once, so that none is lost; on a terminal, above the bars."""
    # Not by 'echo', which finds its way around what the bars put in place of stdout.
    sys.stdout.write(f"{job['id']}\n")
    sys.stdout.flush()
