"""``submit``, ``watch``, ``status``: send now, look later."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cinemill.cli import doors, options
from cinemill.cli.exits import ExitCode, exit_code_of, exit_code_of_job, worst
from cinemill.cli.screen import console, make_table, print_json, report, say, show_seconds
from cinemill.errors import CinemillError

if TYPE_CHECKING:
    from cinemill.cli.display import Display
    from cinemill.client import Client, JobDocument, UploadReceipt

_DURATIONS = ("average", "p50", "p90", "p99")


def register(app: typer.Typer) -> None:
    app.command()(submit)
    app.command()(watch)
    app.command()(status)


def submit(
    file: options.Films,
    priority: options.Priority = None,
    thumbnail_seconds: options.ThumbnailSeconds = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key twice is one job; for a single file.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Upload films and do not wait. Prints the id of each one's job."""
    from cinemill.cli.display import open_display

    if idempotency_key and len(file) > 1:
        raise typer.BadParameter("goes with a single file", param_hint="--idempotency-key")
    receipts: list[UploadReceipt] = []
    try:
        with doors.open_client() as mill, open_display(quiet=json) as display:
            for film in file:
                receipt = mill.upload(
                    film,
                    priority=priority,
                    thumbnail_seconds=thumbnail_seconds,
                    idempotency_key=idempotency_key,
                    on_bytes=partial(display.sent, film.name),
                )
                receipts.append(receipt)
                if not json:
                    typer.echo(receipt["task_id"])
    finally:
        # Where a film is refused, those before it are under way and must not be lost sight of.
        if json and receipts:
            print_json(receipts)


def watch(job: options.JobIds, json: options.Json = False) -> None:
    """Follow jobs to their end. Ctrl-C stops the watching, not the jobs."""
    from cinemill.cli.display import open_display

    with doors.open_client() as mill:
        try:
            with open_display(quiet=json) as display:
                errors = _watch(mill, job, display, json=json)
        except KeyboardInterrupt:
            say(f"No longer watching. The work goes on; see 'cinemill status {job[0]}'.")
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        codes = [_conclude(mill, job_id, errors.get(job_id), json=json) for job_id in job]
    raise typer.Exit(worst(codes))


def _watch(
    mill: Client, job_ids: list[str], display: Display, *, json: bool
) -> dict[str, CinemillError]:
    from cinemill.cli.pursuit import follow_jobs

    errors: dict[str, CinemillError] = {}
    for job_id, news in follow_jobs(mill, list(dict.fromkeys(job_ids))):
        if isinstance(news, CinemillError):
            errors[job_id] = news
            display.failed(job_id, news.message)
        elif json:
            print_json({"job_id": job_id, **news.to_json()}, on_one_line=True)
        else:
            display.heard(job_id, news)
    return errors


def _conclude(mill: Client, job_id: str, error: CinemillError | None, *, json: bool) -> ExitCode:
    """The job's exit code; what went wrong is told."""
    from cinemill.cli.outcome import JobFailed

    if error is not None:
        report(error, as_json=json)
        return exit_code_of(error)
    found = mill.job(job_id)
    state = str(found.get("state", ""))
    if state == "completed":
        return ExitCode.OK
    failure = JobFailed(found)
    if not json:
        report(failure)
    return exit_code_of_job(state, failure.code)


def status(
    job: Annotated[str | None, typer.Argument(metavar="JOB", help="A job's id.")] = None,
    json: options.Json = False,
) -> None:
    """Show one job with its steps; without an id, the whole mill."""
    with doors.open_client() as mill:
        document: Any = mill.stats() if job is None else mill.job_status(job)
        if json:
            print_json(document)
        elif job is None:
            _show_mill(mill.base_url, document)
        else:
            _show_job(document)


def _show_job(job: JobDocument) -> None:
    table = make_table("", "")
    for label, value in (
        ("Job", job.get("id")),
        ("Kind", job.get("kind")),
        ("State", job.get("state")),
        ("Progress", f"{float(job.get('progress') or 0):.0f} %"),
        ("Message", job.get("message")),
        ("Place in the queue", job.get("queue_place")),
        ("Time left", show_seconds(job.get("seconds_left"))),
        ("Took", show_seconds(job.get("duration_seconds"))),
        ("Worker", job.get("worker")),
    ):
        if value not in (None, ""):
            table.add_row(label, str(value))
    console().print(table)
    _show_steps(job.get("steps") or [])
    if job.get("failure"):
        from cinemill.cli.outcome import JobFailed

        report(JobFailed(job))


def _show_steps(steps: list[dict[str, Any]]) -> None:
    if not steps:
        return
    table = make_table("Step", "Queue", "State", ">Tries", ">Failures", ">Crashes")
    for step in steps:
        state = step.get("status", step.get("state", ""))
        counts = [str(step.get(name, "")) for name in ("attempts", "failures", "crashes")]
        table.add_row(str(step.get("name", "")), str(step.get("queue", "")), str(state), *counts)
    console().print(table)


def _show_mill(base_url: str, stats: dict[str, Any]) -> None:
    queue = stats.get("queue", stats)
    say(f"The mill at {base_url}")
    table = make_table("Jobs", ">Count")
    for section in ("by_status", "by_type"):
        for name, count in (queue.get(section) or {}).items():
            table.add_row(str(name), str(count))
    table.add_row("in all", str(queue.get("total", "")))
    console().print(table)
    times = stats.get("processing_times") or {}
    if times:
        took = make_table("Kind", ">Count", ">Average", ">p50", ">p90", ">p99")
        for kind, row in times.items():
            spans = (show_seconds(row.get(f"{name}_seconds")) for name in _DURATIONS)
            took.add_row(kind, str(row.get("count", "")), *spans)
        console().print(took)
