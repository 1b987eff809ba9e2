"""``cinemill logs``: what the services of ``cinemill up`` say, or what they say of one job."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli import connect, options
from cinemill.cli.arguments.completion import complete_jobs
from cinemill.cli.arguments.endings import Interrupted
from cinemill.cli.arguments.usage import UsageInvalid, suggest
from cinemill.cli.exit_codes import ExitCode, exit_code_of
from cinemill.cli.files.log_files import (
    SERVICES,
    JobLines,
    LogFollower,
    LogLine,
    find_log,
    merge,
    read_all,
    read_last,
)
from cinemill.cli.ids import find_job_id, is_uuid
from cinemill.cli.terminal.printable import dump_json, escape, fit_json
from cinemill.errors import CinemillError, NotFound

if TYPE_CHECKING:
    from cinemill.client import Client

POLL_SECONDS = 0.25
NAMES = ", ".join(SERVICES)
ID_CHARACTERS = frozenset("0123456789abcdef-")


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
            _show_any_job(folder, jobs[0], follow=follow, json=json)
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
    followers = _open_followers(folder, services, json=json) if follow else {}
    found = [
        read_last(path, service, count, end=_find_end(followers, service))
        for service in services
        if (path := find_log(folder, service, as_json=json)) and count
    ]
    for line in merge(found):
        write(line)
    while follow:
        for line in merge([one.read() for one in followers.values()]):
            write(line)
        time.sleep(POLL_SECONDS)


def _open_followers(folder: Path, services: Sequence[str], *, json: bool) -> dict[str, LogFollower]:
    """Return what follows the logs from here on, to be opened before they are read up to here."""
    return {service: LogFollower(folder, service, as_json=json) for service in services}


def _find_end(followers: Mapping[str, LogFollower], service: str) -> int | None:
    return followers[service].position if service in followers else None


def _show_any_job(folder: Path, text: str, *, follow: bool, json: bool) -> None:
    """Show the lines of a job; those of a whole ID also while no server runs."""
    try:
        with connect.connect() as client:
            job_id = _find_job(client, text)
            _show_job(client, folder, job_id, follow=follow, json=json)
    except CinemillError as error:
        if exit_code_of(error) is not ExitCode.UNAVAILABLE:
            raise
        # What can be the beginning of an ID is not taken for a slip of the fingers.
        nearest = "" if set(text) <= ID_CHARACTERS else suggest(text, SERVICES)
        if nearest:
            raise _explain_unknown(text, nearest, error.code) from error
        if follow or not is_uuid(text) or not _show_job(None, folder, text, json=json):
            raise


def _find_job(client: Client, text: str) -> str:
    """Return the whole id of a job. Raises NotFound, which names the nearest service."""
    try:
        job_id = find_job_id(client, text)
        client.job(job_id)
    except NotFound as error:
        raise _explain_unknown(text, suggest(text, SERVICES), error.code) from error
    return job_id


def _show_job(
    client: Client | None, folder: Path, job_id: str, *, follow: bool = False, json: bool
) -> int:
    """Show the lines about a job and return how many; with a client, follow it if asked to."""
    write = _make_writer(is_named=True, json=json)
    followers = _open_followers(folder, SERVICES, json=json) if follow else {}
    about = JobLines(job_id)
    logs = {
        service: path for service in SERVICES if (path := find_log(folder, service, as_json=json))
    }

    def read(service: str) -> Iterator[LogLine]:
        return read_all(logs[service], service, end=_find_end(followers, service))

    # All are read twice, because they can be larger than the memory.
    for service in logs:
        about.learn(read(service))
    found = merge([about.select(read(service)) for service in logs])
    for line in found:
        write(line)
    if client is not None and follow:
        for added in _follow_job(client, list(followers.values()), job_id):
            about.learn(added)
            for line in about.select(added):
                write(line)
    return len(found)


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


def _explain_unknown(text: str, nearest: str, code: str) -> NotFound:
    did_you_mean = f"Did you mean {nearest}? " if nearest else ""
    return NotFound(
        f"{text!r} is neither a service nor the ID of a job.",
        code="choice_unknown" if nearest else code,
        hint=f"{did_you_mean}Services are {NAMES}; 'cinemill jobs' lists jobs.",
    )


def _make_writer(*, is_named: bool, json: bool) -> Callable[[LogLine], None]:
    """Return what prints a line: with its service where there are several, or as JSON."""
    width = max(len(name) for name in SERVICES)

    def write(line: LogLine) -> None:
        if json:
            is_event = line.text.startswith("{")
            plain = {"service": line.service, "event": line.text, "timestamp": line.time}
            event = fit_json(line.text, sys.stdout) if is_event else dump_json(plain, sys.stdout)
            typer.echo(event)
        elif is_named:
            typer.echo(f"{line.service:<{width}} {escape(line.text)}")
        else:
            typer.echo(escape(line.text))

    return write
