"""``cinemill process``: films in, a table of what was made out."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli import connect, options
from cinemill.cli.console import print_json, print_message
from cinemill.cli.exit_codes import ExitCode, highest
from cinemill.errors import CinemillError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cinemill.cli.progress import Display
    from cinemill.cli.result import Outcome
    from cinemill.cli.uploads import UploadBatch, UploadResult
    from cinemill.client import Client


def register(app: typer.Typer) -> None:
    app.command()(process)


@dataclass(frozen=True, slots=True)
class ProcessOrder:
    """What is wanted, and how it is handed in."""

    send: Callable[[Client, Display, UploadResult], None]
    folders: Mapping[str, Path | None]
    """By name, where what was made goes; None: it stays where it is."""
    names: Sequence[str]
    objects: Path
    """Where the files of a mill on this home lie."""


def process(
    file: options.Films,
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
    json: options.Json = False,
) -> None:
    """Process videos and show the outputs.

    Uses the running server, or starts a temporary one and stops it afterwards. If one video
    fails, the others continue.
    """
    from cinemill.cli.uploads import UploadBatch

    run_films(file, UploadBatch(priority, thumbnail_seconds), to, json=json)


def run_films(file: list[Path], wish: UploadBatch, to: Path | None, *, json: bool) -> None:
    """Send films, follow their jobs, show what was made of them, and exit by how it went."""
    from cinemill.cli.input_files import display_names, find_unreadable, name_folders, try_folders
    from cinemill.cli.result import refused
    from cinemill.cli.uploads import send_films

    settings = connect.load_settings()
    named = display_names(file)
    folders = name_folders(list(named), to)
    if to is not None:
        try_folders(to, folders.values())
    unreadable = find_unreadable(named)
    films = {name: film for name, film in named.items() if name not in unreadable}
    outcomes = {name: refused(name, error) for name, error in unreadable.items()}
    if films:
        order = ProcessOrder(
            lambda mill, display, sent: send_films(mill, films, wish, display, sent),
            folders,
            list(films),
            settings.home / "objects",
        )
        outcomes |= process_on_any_server(order, json=json)
    finish([outcomes[name] for name in named], to, json=json)


def finish(outcomes: list[Outcome], to: Path | None, *, json: bool) -> None:
    """Show how it went, and exit by it."""
    _show(outcomes, json=json)
    if to is None and not json and any(outcome.files for outcome in outcomes):
        print_message(
            "\nThese files stay on the server; '--to FOLDER' downloads them with readable names."
        )
    raise typer.Exit(highest(outcome.exit_code for outcome in outcomes))


def process_on_any_server(order: ProcessOrder, *, json: bool) -> dict[str, Outcome]:
    """On the mill that runs, else on one of our own."""
    from cinemill.cli.progress import open_display
    from cinemill.cli.temporary_server import Stopped, run_with_server

    display = open_display(quiet=json)
    try:
        return run_with_server(
            connect.load_settings(),
            lambda mill: process_order(mill, order, display),
            on_start=lambda: None if json else print_message("Starting a temporary server …"),
        )
    except Stopped:
        display.close()  # The work's thread was left where it stood, its bars as well.
        print_message(
            "Stopped. Uploaded videos continue when you start the server again with 'cinemill up'."
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _show(outcomes: list[Outcome], *, json: bool) -> None:
    from cinemill.cli.result import show_outcome

    if json:
        print_json([outcome.to_json() for outcome in outcomes])
    else:
        for outcome in outcomes:
            show_outcome(outcome)


def process_order(mill: Client, order: ProcessOrder, display: Display) -> dict[str, Outcome]:
    """Hand in, follow, fetch. One that fails stops no other."""
    from cinemill.cli.result import refused
    from cinemill.cli.uploads import UploadResult

    sent = UploadResult()
    try:
        with display:
            order.send(mill, display, sent)
            sent.errors |= follow_to_end(mill, sent.job_ids, display)
    except KeyboardInterrupt:
        if sent.job_ids:
            print_jobs_continue(list(sent.job_ids.values()))
        raise
    return {
        name: refused(name, sent.errors[name], sent.job_ids.get(name, ""))
        if name in sent.errors
        else _fetch(mill, name, sent.job_ids[name], order)
        for name in order.names
    }


def _fetch(mill: Client, name: str, job_id: str, order: ProcessOrder) -> Outcome:
    """The outcome of a job that has ended; also where what it made cannot be fetched."""
    from cinemill.cli.input_files import FolderUnusable
    from cinemill.cli.result import read_outcome, refused

    to = order.folders[name]
    try:
        return read_outcome(mill, name, job_id, objects=order.objects, to=to)
    except CinemillError as error:
        return refused(name, error, job_id)
    except OSError as error:
        reason = f"The outputs cannot be written to {to}: {error.strerror or error}."
        problem = FolderUnusable(reason)
        # It was written into before: now it is full, or gone, and that is no wrong usage.
        problem.http_status = HTTPStatus.INSUFFICIENT_STORAGE
        return refused(name, problem, job_id)


def follow_to_end(
    mill: Client, job_ids: dict[str, str], display: Display
) -> dict[str, CinemillError]:
    """By name, what ended the following of a job before the job's end."""
    from cinemill.cli.follow_jobs import follow_jobs

    names: dict[str, list[str]] = {}
    for name, job_id in job_ids.items():
        names.setdefault(job_id, []).append(name)
    errors: dict[str, CinemillError] = {}
    for job_id, news in follow_jobs(mill, list(names), on_silence=display.wait):
        for name in names[job_id]:
            if isinstance(news, CinemillError):
                errors[name] = news
                display.failed(name, news.message)
            else:
                display.on_event(name, news)
    return errors


def print_jobs_continue(job_ids: list[str]) -> None:
    from cinemill.cli.ids import shorten

    shown = " ".join(dict.fromkeys(shorten(job_id) for job_id in job_ids))
    print_message(f"Jobs keep running; follow them with 'cinemill watch {shown}'.")
