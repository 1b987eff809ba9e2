"""``cinemill logs``: what the services of ``cinemill up`` say, or what they say of one job."""

from __future__ import annotations

import json as json_format
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli import connect, options
from cinemill.cli.arguments.completion import complete_jobs
from cinemill.cli.arguments.endings import Interrupted
from cinemill.cli.arguments.usage import UsageInvalid, suggest
from cinemill.cli.files.log_files import (
    SERVICES,
    LogFollower,
    LogLine,
    find_log,
    merge,
    read_job,
    read_last,
    select_job,
)
from cinemill.cli.ids import find_job_id
from cinemill.errors import NotFound

if TYPE_CHECKING:
    from cinemill.client import Client

POLL_SECONDS = 0.25
NAMES = ", ".join(SERVICES)


def register(app: typer.Typer) -> None:
    app.command()(logs)


def _complete(incomplete: str) -> list[tuple[str, str]]:
    services = [(name, "service") for name in SERVICES if name.startswith(incomplete)]
    return services or complete_jobs()(incomplete)


def logs(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SERVICE|JOB",
            help=f"Services ({NAMES}), or one job by its ID. Default: all services.",
            autocompletion=_complete,
        ),
    ] = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", "-f", help="Go on with what is added; for a job, until it has ended."
        ),
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="Last lines of each service to begin with.")
    ] = 50,
    json: options.Json = False,
) -> None:
    """Show the logs of the services that 'cinemill up' starts on this machine, or those of a job.

    --json prints a line of JSON for each event, as the services write them.
    """
    folder = connect.load_settings().home / "log"
    services, jobs = _divide(what or [])
    _require_logs(folder, services)
    try:
        if jobs:
            with connect.connect() as client:
                _show_job(client, folder, jobs[0], follow=follow, json=json)
            return
        _show_services(folder, services, lines, follow=follow, json=json)
    except KeyboardInterrupt:
        raise Interrupted("No longer following.", hint="The services keep running.") from None


def _divide(what: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the services and the job that are named. Raises UsageInvalid for both or two jobs."""
    services = [name for name in what if name in SERVICES]
    jobs = [name for name in what if name not in SERVICES]
    if jobs and (services or len(jobs) > 1):
        nearest = next(filter(None, (suggest(name, SERVICES) for name in jobs)), "")
        raise UsageInvalid(
            f"SERVICE|JOB: {jobs[0]!r} is not a service, and jobs are shown one at a time.",
            code="choice_unknown",
            hint=f"{f'Did you mean {nearest}? ' if nearest else ''}Services are {NAMES}.",
        )
    return services or list(SERVICES), jobs


def _require_logs(folder: Path, services: Sequence[str]) -> None:
    if any(find_log(folder, service) for service in services):
        return
    if url := os.environ.get("CINEMILL_URL"):
        hint = f"The server at {url} keeps its own: run 'cinemill logs' on its machine."
    else:
        hint = "'cinemill up' writes them into the folder 'log' of CINEMILL_HOME."
    named = ", ".join(services) if len(services) < len(SERVICES) else "any service"
    raise NotFound(f"There is no log of {named} in {folder}.", code="log_missing", hint=hint)


def _show_services(
    folder: Path, services: Sequence[str], count: int, *, follow: bool, json: bool
) -> None:
    write = _make_writer(is_named=len(services) > 1, json=json)
    # Opened before the files are read, so that no line between is lost; then cut to what is new.
    followers = [LogFollower(folder, service, as_json=json) for service in services]
    found = [
        read_last(path, service, count)
        for service in services
        if (path := find_log(folder, service, as_json=json)) and count
    ]
    for line in merge(found):
        write(line)
    while follow:
        for line in merge([one.read() for one in followers]):
            write(line)
        time.sleep(POLL_SECONDS)


def _show_job(client: Client, folder: Path, text: str, *, follow: bool, json: bool) -> None:
    try:
        job_id = find_job_id(client, text)
        client.job(job_id)
    except NotFound as error:
        raise _explain_unknown(text, error) from error
    write = _make_writer(is_named=True, json=json)
    followers = [LogFollower(folder, service, as_json=json) for service in SERVICES]
    found = [
        read_job(path, service, job_id)
        for service in SERVICES
        if (path := find_log(folder, service, as_json=json))
    ]
    for line in merge(found):
        write(line)
    known: set[str] = set()
    for added in _follow_job(client, followers, job_id) if follow else ():
        for line in select_job(added, job_id, known):
            write(line)


def _follow_job(
    client: Client, followers: Sequence[LogFollower], job_id: str
) -> Iterator[list[LogLine]]:
    """Yield what is added to the logs, until the job has ended and nothing more was added."""
    is_over = False
    while True:
        added = merge([one.read() for one in followers])
        yield added
        if is_over and not added:
            return
        is_over = client.job(job_id).get("status") in ("completed", "failed", "cancelled")
        time.sleep(POLL_SECONDS)


def _explain_unknown(text: str, error: NotFound) -> NotFound:
    nearest = suggest(text, SERVICES)
    did_you_mean = f"Did you mean {nearest}? " if nearest else ""
    return NotFound(
        f"{text!r} is neither a service nor the ID of a job.",
        code="choice_unknown" if nearest else error.code,
        hint=f"{did_you_mean}Services are {NAMES}; 'cinemill jobs' lists jobs.",
    )


def _make_writer(*, is_named: bool, json: bool) -> Callable[[LogLine], None]:
    """Return what prints a line: with its service where there are several, or as JSON."""
    width = max(len(name) for name in SERVICES)

    def write(line: LogLine) -> None:
        if json:
            is_event = line.text.startswith("{")
            plain = {"service": line.service, "event": line.text, "timestamp": line.time}
            typer.echo(line.text if is_event else json_format.dumps(plain, ensure_ascii=False))
        elif is_named:
            typer.echo(f"{line.service:<{width}} {line.text}")
        else:
            typer.echo(line.text)

    return write
