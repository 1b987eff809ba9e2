"""``jobs``, ``cancel``, ``retry``: what there is to do, and changing one's mind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli import doors, options
from cinemill.cli.screen import console, make_table, print_json, say, show_seconds

if TYPE_CHECKING:
    from cinemill.client import JobDocument


def register(app: typer.Typer) -> None:
    app.command("jobs")(list_jobs)
    app.command()(cancel)
    app.command()(retry)


def list_jobs(
    state: Annotated[
        str | None, typer.Option(help="pending, running, completed, failed or cancelled.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Of one kind, e.g. process_video.")] = None,
    asset: Annotated[str | None, typer.Option(help="Of one film, by the asset's id.")] = None,
    before: Annotated[str | None, typer.Option(help="Older than this job.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 20,
    json: options.Json = False,
) -> None:
    """List jobs, newest first."""
    with doors.open_client() as mill:
        found = mill.jobs(state=state, kind=kind, asset_id=asset, before=before, limit=limit)
    if json:
        print_json(found)
        return
    table = make_table("Job", "Kind", "State", ">%", "Queued", ">Took", "Message")
    for job in found:
        table.add_row(*_cells(job))
    console().print(table)


def cancel(
    job: options.JobIds,
    reason: Annotated[str, typer.Option(help="Why; kept with the job.")] = "",
    json: options.Json = False,
) -> None:
    """Cancel jobs; what runs is stopped."""
    with doors.open_client() as mill:
        ended = [mill.cancel(job_id, reason) for job_id in job]
    if json:
        print_json(ended)
        return
    for job_id, document in zip(job, ended, strict=True):
        if document.get("state") == "cancelled":
            say(f"{job_id} is cancelled.")
        else:
            say(f"{job_id} is being stopped; 'cinemill watch {job_id}' follows it to its end.")


def retry(
    job: Annotated[list[str] | None, typer.Argument(metavar="JOB")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Every job that failed.")] = False,
    kind: Annotated[str | None, typer.Option(help="With --failed: of this kind.")] = None,
    code: Annotated[str | None, typer.Option(help="With --failed: of this error code.")] = None,
    json: options.Json = False,
) -> None:
    """Retry jobs by id, or all that failed. A job goes on at the step that failed."""
    if bool(job) == failed:
        raise typer.BadParameter("name jobs, or give --failed, and not both", param_hint="JOB")
    if (kind or code) and not failed:
        raise typer.BadParameter("goes with --failed", param_hint="--kind/--code")
    with doors.open_client() as mill:
        if failed:
            document = mill.retry_failed(kind=kind, code=code)
            print_json(document) if json else say(f"{document.get('retried', 0)} job(s) retried.")
            return
        retried = [mill.retry(job_id) for job_id in job or []]
    if json:
        print_json(retried)
        return
    for job_id in job or []:
        say(f"{job_id} is queued again; 'cinemill watch {job_id}' follows it.")


def _cells(job: JobDocument) -> tuple[str, ...]:
    failure = job.get("failure") or {}
    return (
        str(job.get("id", "")),
        str(job.get("kind", "")),
        str(job.get("state", "")),
        f"{float(job.get('progress') or 0):.0f}",
        str(job.get("queued_at") or "")[:19].replace("T", " "),
        show_seconds(job.get("duration_seconds")),
        failure.get("message") or str(job.get("message") or ""),
    )
