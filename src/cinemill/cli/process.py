"""``cinemill process``: films in, a table of what was made out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli import doors, options
from cinemill.cli.exits import ExitCode, worst
from cinemill.cli.screen import print_json, say
from cinemill.errors import CinemillError

if TYPE_CHECKING:
    from cinemill.cli.display import Display
    from cinemill.cli.outcome import Outcome
    from cinemill.client import Client


def register(app: typer.Typer) -> None:
    app.command()(process)


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted of the films."""

    films: tuple[Path, ...]
    priority: int | None
    thumbnail_seconds: float | None
    to: Path | None
    objects: Path
    """Where the files of a mill on this home lie."""


def process(
    file: options.Films,
    to: Annotated[
        Path | None,
        typer.Option(
            help="Fetch all that was made into a folder here; of several films, each into its own.",
            file_okay=False,
        ),
    ] = None,
    priority: options.Priority = None,
    thumbnail_seconds: options.ThumbnailSeconds = None,
    json: options.Json = False,
) -> None:
    """Process films and show what was made of them.

    On the running mill, or on one that is started for the films and stopped after.
    """
    from cinemill.cli.display import open_display
    from cinemill.cli.outcome import show_outcome
    from cinemill.cli.own_mill import Stopped, with_mill

    settings = doors.load_settings()
    order = Order(tuple(file), priority, thumbnail_seconds, to, settings.home / "objects")
    try:
        outcomes = with_mill(
            settings,
            lambda mill: fill_order(mill, order, open_display(quiet=json)),
            on_start=lambda: None if json else say("Starting the mill …"),
        )
    except Stopped:
        say("Stopped. What was uploaded goes on when the mill is started again: 'cinemill up'.")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if json:
        print_json([outcome.to_json() for outcome in outcomes])
    else:
        for outcome in outcomes:
            show_outcome(outcome)
    raise typer.Exit(worst(outcome.exit_code for outcome in outcomes))


def fill_order(mill: Client, order: Order, display: Display) -> list[Outcome]:
    """Upload, follow, fetch. One film that fails stops no other."""
    from cinemill.cli.outcome import read_outcome, refused

    names = name_films(order.films)
    folders = name_folders(list(names), order.to)
    job_ids: dict[str, str] = {}
    errors: dict[str, CinemillError] = {}
    with display:
        for name, film in names.items():
            try:
                job_ids[name] = upload(mill, film, name, order, display)
            except CinemillError as error:
                errors[name] = error
                display.failed(name, error.message)
        errors |= follow_to_end(mill, job_ids, display)
    return [
        refused(name, errors[name])
        if name in errors
        else read_outcome(mill, name, job_ids[name], objects=order.objects, to=folders[name])
        for name in names
    ]


def upload(mill: Client, film: Path, name: str, order: Order, display: Display) -> str:
    """The id of the film's job."""
    receipt = mill.upload(
        film,
        priority=order.priority,
        thumbnail_seconds=order.thumbnail_seconds,
        on_bytes=partial(display.sent, name),
    )
    return receipt["task_id"]


def follow_to_end(
    mill: Client, job_ids: dict[str, str], display: Display
) -> dict[str, CinemillError]:
    """By name, what ended the following of a job before the job's end."""
    from cinemill.cli.pursuit import follow_jobs

    names: dict[str, list[str]] = {}
    for name, job_id in job_ids.items():
        names.setdefault(job_id, []).append(name)
    errors: dict[str, CinemillError] = {}
    try:
        for job_id, news in follow_jobs(mill, list(names)):
            for name in names[job_id]:
                if isinstance(news, CinemillError):
                    errors[name] = news
                    display.failed(name, news.message)
                else:
                    display.heard(name, news)
    except KeyboardInterrupt:
        say_that_jobs_go_on(list(names))
        raise
    return errors


def say_that_jobs_go_on(job_ids: list[str]) -> None:
    say(f"The work goes on; 'cinemill watch {' '.join(job_ids)}' follows it again.")


def name_films(films: tuple[Path, ...]) -> dict[str, Path]:
    """A short name for each film: its file's, or its path where two files are called the same."""
    short = [film.name for film in films]
    return {film.name if short.count(film.name) == 1 else str(film): film for film in films}


def name_folders(names: list[str], to: Path | None) -> dict[str, Path | None]:
    """Where each film's files go: ``to`` itself for one film, else a folder of its own in there.

    ``a/film.mp4`` and ``b/film.mov`` become ``film`` and ``film-2``.
    """
    if to is None or len(names) == 1:
        return dict.fromkeys(names, to)
    folders: dict[str, Path | None] = {}
    taken: set[str] = set()
    for name in names:
        stem = Path(name).stem
        numbered = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
        # Some disks do not tell Film from film.
        free = next(one for one in numbered if one.casefold() not in taken)
        taken.add(free.casefold())
        folders[name] = to / free
    return folders
