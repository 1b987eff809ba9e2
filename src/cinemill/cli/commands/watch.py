"""``cinemill watch`` and ``status``: following jobs and showing their state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli import connect, options
from cinemill.cli.arguments.completion import complete_jobs
from cinemill.cli.arguments.endings import Interrupted
from cinemill.cli.console import (
    color_state,
    console,
    format_age,
    format_duration,
    format_size,
    format_time_left,
    make_table,
    print_error,
    print_json,
    print_message,
)
from cinemill.cli.exit_codes import ExitCode, exit_code_of, highest
from cinemill.cli.ids import find_job_id, for_each, shorten
from cinemill.errors import CinemillError

if TYPE_CHECKING:
    from cinemill.cli.progress import Display
    from cinemill.client import Client, JobDocument
    from cinemill.client.models import StepDocument


def register(app: typer.Typer) -> None:
    app.command()(watch)
    app.command()(status)


def watch(job: options.JobIds, json: options.Json = False) -> None:
    """Follow jobs until they finish. Ctrl-C stops watching; jobs keep running."""
    from cinemill.cli.progress import open_display

    with connect.connect() as client:
        found, codes = for_each(job, lambda text: {"id": find_job_id(client, text)}, json=json)
        job_ids = list(dict.fromkeys(one["id"] for one in found))
        try:
            with open_display(quiet=json) as display:
                errors = _watch(client, job_ids, display, json=json)
        except KeyboardInterrupt:
            raise Interrupted(
                "No longer watching.",
                hint=f"The job keeps running; see 'cinemill status {job[0]}'.",
            ) from None
        is_one = len(job) == 1
        for job_id in job_ids:
            about = "" if is_one else shorten(job_id)
            codes.append(_report_end(client, job_id, errors.get(job_id), about=about, json=json))
    raise typer.Exit(highest(codes))


def _watch(
    client: Client, job_ids: list[str], display: Display, *, json: bool
) -> dict[str, CinemillError]:
    from cinemill.cli.follow_jobs import follow_jobs

    errors: dict[str, CinemillError] = {}
    for job_id, update in follow_jobs(client, job_ids, on_silence=display.wait):
        if isinstance(update, CinemillError):
            errors[job_id] = update
            display.failed(shorten(job_id), "cannot be followed")
        elif json:
            print_json({"job_id": job_id, **update.to_json()}, on_one_line=True)
        else:
            display.on_event(shorten(job_id), update)
    return errors


def _report_end(
    client: Client, job_id: str, error: CinemillError | None, *, about: str, json: bool
) -> ExitCode:
    """Print a job's error, if any, and return its exit code."""
    from cinemill.cli.result import JobFailed

    if error is not None:
        print_error(error, as_json=json, about=about)
        return exit_code_of(error)
    found = client.job(job_id)
    if found.get("status") == "completed":
        return ExitCode.OK
    failure = JobFailed(found)
    print_error(failure, as_json=json, about=about)
    return exit_code_of(failure)


def status(
    job: Annotated[
        str | None,
        typer.Argument(
            metavar="JOB",
            help="Job ID; the first four or more characters are enough.",
            autocompletion=complete_jobs(),
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Show a job and its steps; without an ID, show the server's status."""
    from cinemill.cli.commands.overview import show_overview

    with connect.connect() as client:
        if job is None:
            show_overview(client, json=json)
            return
        document = client.job_status(find_job_id(client, job))
        if json:
            print_json(document)
        else:
            _show_job(client, document)


def _show_job(client: Client, job: JobDocument) -> None:
    from cinemill.cli.job_titles import find_titles

    table = make_table("!", "")
    table.show_header = False
    age = format_age(job.get("queued_at"))
    titles = find_titles(client, [job]) if job.get("id") else {}
    for label, value in (
        ("Job", job.get("id")),
        ("Video", titles.get(str(job.get("id")))),
        ("Asset", job.get("asset_id")),
        ("Kind", job.get("kind")),
        ("State", job.get("status")),
        ("Progress", f"{float(job.get('progress') or 0):.0f}%"),
        ("Message", job.get("message")),
        ("Queued", f"{age} ago" if age else ""),
        ("Position in queue", job.get("queue_place")),
        ("Time left", format_time_left(job.get("seconds_left"))),
        ("Took", format_duration(job.get("duration_seconds"))),
        ("Worker", job.get("worker")),
    ):
        if value not in (None, ""):
            table.add_row(label, color_state(str(value)) if label == "State" else str(value))
    console().print(table)
    _show_steps(job.get("steps") or [])
    if job.get("error"):
        from cinemill.cli.result import JobFailed

        print_message("")
        print_error(JobFailed(job))


def _show_steps(steps: list[StepDocument]) -> None:
    if not steps:
        return
    table = make_table("!Step", "!Queue", "!State", ">Attempts", ">Failures", ">Crashes", ">Memory")
    for step in steps:
        counts = [str(step.get(name, "")) for name in ("attempts", "failures", "crashes")]
        memory = step.get("peak_memory_bytes")
        table.add_row(
            str(step.get("name", "")),
            str(step.get("queue", "")),
            str(step.get("status", "")),
            *counts,
            "" if memory is None else format_size(memory),
        )
    screen = console()
    screen.print()
    screen.print(table)
