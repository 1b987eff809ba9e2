"""``cinemill submit``: uploads videos and returns at once."""

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
    file: options.VideoFiles,
    priority: options.Priority = None,
    thumbnail_seconds: options.ThumbnailSeconds = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option(help="Requests with the same key create only one job. For a single file."),
    ] = None,
    best_effort: options.BestEffort = False,
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
    videos = {name: video for name, video in named.items() if name not in sent.errors}
    try:
        if videos:
            params = {"best_effort": True} if best_effort else None
            batch = UploadBatch(priority, thumbnail_seconds, idempotency_key, params=params)
            _send(videos, batch, sent, json=json)
    finally:
        # Printed even if an error ends this early, so that no accepted job is lost.
        if json and (sent.jobs or sent.errors):
            print_json(list(sent.jobs.values()))
        for name, error in sent.errors.items():
            print_error(error, as_json=json, about=name)
    raise typer.Exit(highest(exit_code_of(error) for error in sent.errors.values()))


def _send(videos: dict[str, Path], batch: UploadBatch, sent: UploadResult, *, json: bool) -> None:
    from cinemill.cli.progress import open_display
    from cinemill.cli.uploads import upload_videos

    with connect.connect() as client, open_display(quiet=json) as display:
        upload_videos(
            client,
            videos,
            batch,
            display,
            sent,
            on_accepted=lambda job: None if json else _print_id(job),
        )


def _print_id(job: JobDocument) -> None:
    """Print the id at once, so that none is lost; on a terminal, above the bars."""
    # Not with 'echo', which bypasses the replacement for stdout that the bars install.
    sys.stdout.write(f"{job['id']}\n")
    sys.stdout.flush()
