"""``cinemill process``: processes videos and prints a table of the outputs."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cinemill.cli import connect, options
from cinemill.cli.arguments.endings import Interrupted
from cinemill.cli.console import print_json, print_message
from cinemill.cli.exit_codes import highest
from cinemill.errors import CinemillError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cinemill.cli.files.named_files import Shelves
    from cinemill.cli.progress import Display
    from cinemill.cli.result import Outcome
    from cinemill.cli.uploads import UploadBatch, UploadResult
    from cinemill.client import Client

    Send = Callable[[Client, Display, UploadResult], None]

Ended = TypeVar("Ended")


def register(app: typer.Typer) -> None:
    app.command()(process)


@dataclass(frozen=True, slots=True)
class ProcessOrder:
    """A set of jobs to submit, and where their outputs go."""

    send: Send
    folders: Mapping[str, Path | None]
    """Download folders by name; None leaves the outputs on the server."""
    names: Sequence[str]
    shelves: Shelves
    """The folders of a server on this home."""


def process(
    file: options.VideoFiles,
    to: Annotated[
        Path | None,
        typer.Option(
            help=(
                "Download the outputs into this folder; with several videos, one "
                "subfolder for each."
            ),
            file_okay=False,
        ),
    ] = None,
    priority: options.Priority = None,
    thumbnail_seconds: options.ThumbnailSeconds = None,
    profile: options.AnyProfile = None,
    best_effort: options.BestEffort = False,
    json: options.Json = False,
) -> None:
    """Process videos and show the outputs.

    With a profile, also find out what is in them; 'cinemill ingest' shows only that.

    Uses the running server, or starts a temporary one and stops it afterwards. If one video
    fails, the others continue.
    """
    from cinemill.cli.uploads import UploadBatch

    chosen = {"profile": profile, "best_effort": best_effort}
    params = {name: value for name, value in chosen.items() if value} or None
    process_videos(file, UploadBatch(priority, thumbnail_seconds, params=params), to, json=json)


def process_videos(file: list[Path], batch: UploadBatch, to: Path | None, *, json: bool) -> None:
    """Upload videos, follow their jobs, print the outputs, and exit with the resulting code."""
    from cinemill.cli.files.named_files import Shelves
    from cinemill.cli.input_files import (
        display_names,
        find_unreadable,
        name_folders,
        require_writable,
    )
    from cinemill.cli.result import refused
    from cinemill.cli.uploads import upload_videos

    settings = connect.load_settings()
    named = display_names(file)
    folders = name_folders(list(named), to)
    if to is not None:
        require_writable(to, folders.values())
    unreadable = find_unreadable(named)
    videos = {name: video for name, video in named.items() if name not in unreadable}
    outcomes = {name: refused(name, error) for name, error in unreadable.items()}
    if videos:
        order = ProcessOrder(
            lambda client, display, sent: upload_videos(client, videos, batch, display, sent),
            folders,
            list(videos),
            Shelves.from_settings(settings),
        )
        outcomes |= process_on_any_server(order, json=json)
    finish([outcomes[name] for name in named], to, json=json)


def finish(outcomes: list[Outcome], to: Path | None, *, json: bool) -> None:
    """Print the outcomes and exit with the most severe of their codes."""
    _show(outcomes, json=json)
    if to is None and not json and any(outcome.files for outcome in outcomes):
        print_message(
            "\nThese files stay on the server; '--to FOLDER' copies them into a folder of yours."
        )
    raise typer.Exit(highest(outcome.exit_code for outcome in outcomes))


def process_on_any_server(order: ProcessOrder, *, json: bool) -> dict[str, Outcome]:
    """Process the order on the running server, else on a temporary one."""
    return work_on_any_server(
        lambda client, display: process_order(client, order, display), json=json
    )


def work_on_any_server(work: Callable[[Client, Display], Ended], *, json: bool) -> Ended:
    """Do the work with the running server, else with a temporary one, and show its progress."""
    from cinemill.cli.progress import open_display
    from cinemill.cli.temporary_server import Stopped, run_with_server

    display = open_display(quiet=json)
    try:
        return run_with_server(
            connect.load_settings(),
            lambda client: work(client, display),
            on_start=lambda: None if json else print_message("Starting a temporary server …"),
        )
    except Stopped:
        display.close()  # The abandoned thread may still be showing bars.
        raise Interrupted(
            "Stopped.",
            hint="Uploaded videos continue when you start the server again with 'cinemill up'.",
        ) from None


def _show(outcomes: list[Outcome], *, json: bool) -> None:
    from cinemill.cli.result import show_outcome

    if json:
        print_json([outcome.to_json() for outcome in outcomes])
    else:
        for outcome in outcomes:
            show_outcome(outcome)


def process_order(client: Client, order: ProcessOrder, display: Display) -> dict[str, Outcome]:
    """Submit the jobs, follow them and download outputs. One failure does not stop the others."""
    from cinemill.cli.result import refused

    sent = send_and_follow(client, order.send, display)
    return {
        name: refused(name, sent.errors[name], sent.job_ids.get(name, ""))
        if name in sent.errors
        else _fetch(client, name, sent.job_ids[name], order)
        for name in order.names
    }


def send_and_follow(client: Client, send: Send, display: Display) -> UploadResult:
    """Send videos, follow their jobs to the end, and return them with the errors by name."""
    from cinemill.cli.uploads import UploadResult

    sent = UploadResult()
    try:
        with display:
            send(client, display, sent)
            sent.errors |= follow_to_end(client, sent.job_ids, display)
    except KeyboardInterrupt:
        if not sent.job_ids:
            raise
        raise Interrupted(hint=describe_continuing(list(sent.job_ids.values()))) from None
    return sent


def _fetch(client: Client, name: str, job_id: str, order: ProcessOrder) -> Outcome:
    """Return the outcome of a finished job, also if its outputs cannot be downloaded."""
    from cinemill.cli.input_files import FolderUnusable
    from cinemill.cli.result import read_outcome, refused

    to = order.folders[name]
    try:
        return read_outcome(client, name, job_id, shelves=order.shelves, to=to)
    except CinemillError as error:
        return refused(name, error, job_id)
    except OSError as error:
        reason = f"The outputs cannot be written to {to}: {error.strerror or error}."
        problem = FolderUnusable(reason)
        # The folder was writable before, so it is now full or gone, which is no usage error.
        problem.http_status = HTTPStatus.INSUFFICIENT_STORAGE
        return refused(name, problem, job_id)


def follow_to_end(
    client: Client, job_ids: dict[str, str], display: Display
) -> dict[str, CinemillError]:
    """Follow jobs until they end; return, by name, errors that ended this early."""
    from cinemill.cli.follow_jobs import follow_jobs

    names: dict[str, list[str]] = {}
    for name, job_id in job_ids.items():
        names.setdefault(job_id, []).append(name)
    errors: dict[str, CinemillError] = {}
    for job_id, update in follow_jobs(client, list(names), on_silence=display.wait):
        for name in names[job_id]:
            if isinstance(update, CinemillError):
                errors[name] = update
                display.failed(name, update.message)
            else:
                display.on_event(name, update)
    return errors


def describe_continuing(job_ids: list[str]) -> str:
    """Return what goes on after Ctrl-C, and how to follow it."""
    from cinemill.cli.ids import shorten

    shown = " ".join(dict.fromkeys(shorten(job_id) for job_id in job_ids))
    return f"Jobs keep running; follow them with 'cinemill watch {shown}'."
