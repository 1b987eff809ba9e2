"""``cinemill jobs``, ``cancel`` and ``retry``: listing and controlling jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli import connect, options
from cinemill.cli.console import (
    color_state,
    console,
    format_age,
    make_table,
    print_json,
    print_message,
    shorten_to_fit,
)
from cinemill.cli.exit_codes import highest
from cinemill.cli.ids import find_job_id, for_each, shorten
from cinemill.core.job import JobState

if TYPE_CHECKING:
    from cinemill.client import Client, JobDocument

WIDE = 120
"""Terminals with at least this many columns also show messages."""


def register(app: typer.Typer) -> None:
    app.command("jobs")(list_jobs)
    app.command()(cancel)
    app.command()(retry)


def list_jobs(
    status: Annotated[
        JobState | None,
        typer.Option(
            "--status",
            "--state",
            help="Show only jobs with this status: pending, running, completed, failed or"
            " cancelled.",
        ),
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="Show only jobs of this kind, such as process_video.")
    ] = None,
    asset: Annotated[
        str | None,
        typer.Option(help="Show only jobs of this asset; 'cinemill status JOB' shows asset IDs."),
    ] = None,
    before: Annotated[str | None, typer.Option(help="Show only jobs older than this one.")] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=500, help="Maximum number of jobs to show.")
    ] = 20,
    json: options.Json = False,
) -> None:
    """List jobs, newest first.

    The short IDs shown here work in every command; --json shows full IDs.
    """
    from cinemill.cli.job_titles import find_titles

    with connect.connect() as client:
        found = client.jobs(
            status=status.value if status else None,
            kind=kind,
            asset_id=asset,
            before=find_job_id(client, before) if before else None,
            limit=limit,
        )
        if json:
            print_json(found)
            return
        titles = find_titles(client, found)
    if not found:
        _print_no_jobs(kind, is_filtered=any((status, kind, asset, before)))
        return
    _show_jobs(found, titles)
    if len(found) == limit:
        print_message(f"Older ones: cinemill jobs --before {shorten(str(found[-1].get('id', '')))}")


def _show_jobs(found: list[JobDocument], titles: dict[str, str]) -> None:
    screen = console()
    is_wide = screen.width >= WIDE
    heads = ("!Job", "Video", "!Kind", "!State", "!>Done", "!>Age")
    table = make_table(*heads, *(("Message",) if is_wide else ()))
    for job in found:
        job_id, failure = str(job.get("id", "")), job.get("error") or {}
        message = failure.get("message") or str(job.get("message") or "")
        table.add_row(
            shorten(job_id),
            shorten_to_fit(titles.get(job_id, "")),
            str(job.get("kind", "")),
            color_state(str(job.get("status", ""))),
            f"{float(job.get('progress') or 0):.0f}%",
            format_age(job.get("queued_at")),
            *((shorten_to_fit(message),) if is_wide else ()),
        )
    screen.print(table)


def _print_no_jobs(kind: str | None, *, is_filtered: bool) -> None:
    from cinemill.catalog import CATALOG

    if kind and kind not in CATALOG.jobs:
        print_message(f"Unknown kind of job: {kind!r}; kinds are {', '.join(CATALOG.jobs)}.")
    elif is_filtered:
        print_message("No such jobs.")
    else:
        print_message("No jobs yet. Upload a video with 'cinemill submit FILE'.")


def cancel(
    job: options.JobIds,
    reason: Annotated[str, typer.Option(help="Reason, stored with the job.")] = "",
    json: options.Json = False,
) -> None:
    """Cancel pending and running jobs. One that has already finished does not stop the others."""
    with connect.connect() as client:
        cancelled, codes = for_each(
            job, lambda text: client.cancel(find_job_id(client, text), reason), json=json
        )
    if json:
        print_json(cancelled)
    for document in cancelled if not json else ():
        short = shorten(str(document.get("id", "")))
        if document.get("status") == "cancelled":
            print_message(f"{short} is cancelled.")
        else:
            print_message(f"{short} is being cancelled; follow it with 'cinemill watch {short}'.")
    raise typer.Exit(highest(codes))


def retry(
    job: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="JOB", help="Job IDs; the first four or more characters are enough."
        ),
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Retry all failed jobs.")] = False,
    kind: Annotated[str | None, typer.Option(help="With --failed: only jobs of this kind.")] = None,
    code: Annotated[
        str | None, typer.Option(help="With --failed: only jobs with this error code.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Retry jobs by ID, or all failed jobs. A job resumes at the step that failed."""
    if bool(job) == failed:
        raise typer.BadParameter("give either job IDs or --failed", param_hint="JOB")
    if (kind or code) and not failed:
        raise typer.BadParameter("can be used only with --failed", param_hint="--kind/--code")
    with connect.connect() as client:
        if failed:
            _retry_failed(client, kind, code, json=json)
            return
        retried, codes = for_each(
            job or [], lambda text: client.retry(find_job_id(client, text)), json=json
        )
    if json:
        print_json(retried)
    for document in retried if not json else ():
        short = shorten(str(document.get("id", "")))
        print_message(f"{short} is queued again; 'cinemill watch {short}' follows it.")
    raise typer.Exit(highest(codes))


def _retry_failed(client: Client, kind: str | None, code: str | None, *, json: bool) -> None:
    document = client.retry_failed(kind=kind, code=code)
    if json:
        print_json(document)
    else:
        print_message(f"{document.get('retried', 0)} job(s) retried.")
