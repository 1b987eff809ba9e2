"""``cinemill jobs``, ``cancel`` and ``retry``: listing and controlling jobs."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli import connect, options
from cinemill.cli.arguments.choices import KINDS, check_kind, complete_from
from cinemill.cli.arguments.completion import complete_failures, complete_jobs, complete_videos
from cinemill.cli.arguments.questions import confirm
from cinemill.cli.arguments.videos import find_video_id
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
from cinemill.errors import CinemillError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cinemill.client import Client, JobDocument

MOST_ASKED_ABOUT = 100_000
MOST_NAMED = 5
WIDE = 120
"""Terminals with at least this many columns also show messages."""

OfVideo = Annotated[
    str | None,
    typer.Option(
        "--asset",
        metavar="VIDEO",
        help="Show only jobs of this video, by its name or ID.",
        autocompletion=complete_videos,
    ),
]
Before = Annotated[
    str | None,
    typer.Option(
        metavar="JOB",
        help="Show only jobs older than this one.",
        autocompletion=complete_jobs(),
    ),
]


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
        str | None,
        typer.Option(
            help=f"Show only jobs of this kind: {', '.join(KINDS)}.",
            autocompletion=complete_from(KINDS),
        ),
    ] = None,
    asset: OfVideo = None,
    before: Before = None,
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
            asset_id=find_video_id(client, asset) if asset else None,
            before=find_job_id(client, before) if before else None,
            limit=limit,
        )
        check_kind(kind, is_known=bool(found))
        if json:
            print_json(found)
            return
        titles = find_titles(client, found)
    if not found:
        is_filtered = any((status, kind, asset, before))
        none_yet = "No jobs yet. Upload a video with 'cinemill submit FILE'."
        print_message("No such jobs." if is_filtered else none_yet)
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
            metavar="JOB",
            help="Job IDs; the first four or more characters are enough.",
            autocompletion=complete_jobs(JobState.FAILED, JobState.CANCELLED),
        ),
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Retry all failed jobs.")] = False,
    kind: Annotated[
        str | None,
        typer.Option(
            help=f"With --failed: only jobs of this kind: {', '.join(KINDS)}.",
            autocompletion=complete_from(KINDS),
        ),
    ] = None,
    code: Annotated[
        str | None,
        typer.Option(
            help="With --failed: only jobs with this error code; 'cinemill status' lists them.",
            autocompletion=complete_failures,
        ),
    ] = None,
    yes: options.Yes = False,
    json: options.Json = False,
) -> None:
    """Retry jobs by ID, or all failed jobs. A job resumes at the step that failed.

    Asks before it retries a job whose input was rejected: that would end the same way. Where there
    is no terminal, this needs --yes.
    """
    if bool(job) == failed:
        raise typer.BadParameter("give either job IDs or --failed", param_hint="JOB")
    if (kind or code) and not failed:
        raise typer.BadParameter("can be used only with --failed", param_hint="--kind/--code")
    with connect.connect() as client:
        if failed:
            _retry_failed(client, kind, code, yes=yes, json=json)
            return
        ids, codes = for_each(job or [], lambda text: find_job_id(client, text), json=json)
        if not yes:
            _ask_about_rejected(_find_named(client, ids))
        retried, more = for_each(ids, client.retry, json=json)
    if json:
        print_json(retried)
    for document in retried if not json else ():
        short = shorten(str(document.get("id", "")))
        print_message(f"{short} is queued again; 'cinemill watch {short}' follows it.")
    raise typer.Exit(highest([*codes, *more]))


def _retry_failed(
    client: Client, kind: str | None, code: str | None, *, yes: bool, json: bool
) -> None:
    if not yes:
        _ask_about_rejected(_find_failed(client, kind, code))
    document = client.retry_failed(kind=kind, code=code)
    check_kind(kind, is_known=bool(document.get("retried")))
    if json:
        print_json(document)
    else:
        print_message(f"{document.get('retried', 0)} job(s) retried.")


def _ask_about_rejected(jobs: Iterator[JobDocument]) -> None:
    """Ask about those jobs that would fail in the same way again. Raises what confirm raises."""
    rejected = [one for one in jobs if (one.get("error") or {}).get("retryable") is False]
    if rejected:
        confirm(f"{_describe_rejected(rejected)} Retry all the same?", yes=False)


def _find_named(client: Client, job_ids: list[str]) -> Iterator[JobDocument]:
    """Yield these jobs. Those that cannot be found are left to the retry, which reports them."""
    for job_id in job_ids:
        with suppress(CinemillError):
            yield client.job(job_id)


def _find_failed(client: Client, kind: str | None, code: str | None) -> Iterator[JobDocument]:
    """Yield the failed jobs, the latest ones where there are very many."""
    for job in client.jobs(status=JobState.FAILED.value, kind=kind, limit=MOST_ASKED_ABOUT):
        if code is None or (job.get("error") or {}).get("code") == code:
            yield job


def _describe_rejected(jobs: list[JobDocument]) -> str:
    """Return why a retry is in vain: ``b880b1ea was rejected (media_truncated), and …``."""
    named = [
        f"{shorten(str(job['id']))} was rejected ({(job.get('error') or {}).get('code')})"
        for job in jobs[:MOST_NAMED]
    ]
    more = len(jobs) - MOST_NAMED
    return f"{'; '.join(named)}{f'; {more} more' if more > 0 else ''}, and would be again."
