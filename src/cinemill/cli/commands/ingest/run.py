"""``cinemill ingest FILE``: finds out what is in videos, and shows what was found."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli import options
from cinemill.cli.arguments.completion import complete_collections
from cinemill.errors import CinemillError

if TYPE_CHECKING:
    from cinemill.cli.commands.detect.inputs import Inputs
    from cinemill.cli.progress import Display
    from cinemill.cli.result import Outcome
    from cinemill.cli.uploads import UploadBatch, UploadResult
    from cinemill.client import Client


LONGEST_COLLECTION = 255


def register(app: typer.Typer) -> None:
    app.command()(ingest)


def _check_collection(name: str | None) -> str | None:
    """Return the name. Raises BadParameter before an upload that the server would not sort in."""
    if name is not None and len(name) > LONGEST_COLLECTION:
        raise typer.BadParameter(f"at most {LONGEST_COLLECTION} characters")
    return name


def ingest(
    file: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="Video files, folders of videos, or IDs of videos that are on the server.",
        ),
    ],
    profile: options.Profile = "standard",
    provider: options.Provider = "local",
    collection: Annotated[
        str | None,
        typer.Option(
            callback=_check_collection,
            autocompletion=complete_collections,
            help="Move the videos into this collection; an empty name takes them out of any.",
        ),
    ] = None,
    priority: options.Priority = None,
    best_effort: options.BestEffort = False,
    json: options.Json = False,
) -> None:
    """Find out what is in videos, so that they can be searched.

    Uses the running server, or starts a temporary one and stops it afterwards. What could not be
    found out is named, with what can be done about it. If one video fails, the others continue.
    """
    from cinemill.cli.commands.detect.inputs import FILMS_AND_SOUNDS, read_inputs
    from cinemill.cli.commands.process import work_on_any_server
    from cinemill.cli.console import print_json
    from cinemill.cli.exit_codes import highest
    from cinemill.cli.result import refused, show_outcome
    from cinemill.cli.uploads import UploadBatch

    inputs = read_inputs(file, FILMS_AND_SOUNDS)
    outcomes = {name: refused(name, error) for name, error in inputs.errors.items()}
    if inputs.videos or inputs.assets:
        chosen: dict[str, object] = {} if provider == "local" else {"provider": provider}
        if best_effort:
            chosen["best_effort"] = True
        batch = UploadBatch(priority, params={"profile": profile, **chosen}, collection=collection)
        outcomes |= work_on_any_server(
            lambda client, display: _ingest_all(client, inputs, batch, display), json=json
        )
    shown = [outcomes[name] for name in inputs.names]
    if json:
        print_json([outcome.to_json() for outcome in shown])
    else:
        for outcome in shown:
            show_outcome(outcome)
    raise typer.Exit(highest(outcome.exit_code for outcome in shown))


def _ingest_all(
    client: Client, inputs: Inputs, batch: UploadBatch, display: Display
) -> dict[str, Outcome]:
    """Submit the videos, follow their ingestions to the end, and return the outcomes by name."""
    from cinemill.cli.commands.process import send_and_follow
    from cinemill.cli.result import refused
    from cinemill.cli.uploads import queue_assets, upload_videos

    def send(client: Client, display: Display, sent: UploadResult) -> None:
        queue_assets(client, inputs.assets, batch, display, sent)
        upload_videos(client, inputs.videos, batch, display, sent)

    sent = send_and_follow(client, send, display)
    outcomes = {name: refused(name, error) for name, error in sent.errors.items()}
    for name, job_id in sent.job_ids.items():
        try:
            if name in sent.errors:
                raise sent.errors[name]
            outcomes[name] = _read_outcome(client, name, job_id)
        except CinemillError as error:
            outcomes[name] = refused(name, error, job_id)
    return outcomes


def _read_outcome(client: Client, name: str, job_id: str) -> Outcome:
    """Return the outcome of an ingestion, without the files that were made for it."""
    from pathlib import Path

    from cinemill.cli.files.named_files import Shelves
    from cinemill.cli.result import read_outcome

    outcome = read_outcome(client, name, job_id, shelves=Shelves(Path("/nowhere")), to=None)
    return replace(outcome, files=(), stages={})
