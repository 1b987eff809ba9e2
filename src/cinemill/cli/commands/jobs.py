"""``jobs``, ``cancel``, ``retry``: what there is to do, and changing one's mind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli import connect, options
from cinemill.cli.console import (
    color_state,
    console,
    make_table,
    print_json,
    say,
    shorten_to_fit,
    show_age,
)
from cinemill.cli.exit_codes import worst
from cinemill.cli.ids import find_job_id, for_each, shorten
from cinemill.core.job import JobState

if TYPE_CHECKING:
    from cinemill.client import Client, JobDocument

WIDE = 120
"""Columns from which on there is room for messages too."""


def register(app: typer.Typer) -> None:
    app.command("jobs")(list_jobs)
    app.command()(cancel)
    app.command()(retry)


def list_jobs(
    state: Annotated[
        JobState | None, typer.Option(help="pending, running, completed, failed or cancelled.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Of one kind, e.g. process_video.")] = None,
    asset: Annotated[
        str | None, typer.Option(help="Of one film, by its asset's id: 'cinemill status JOB'.")
    ] = None,
    before: Annotated[str | None, typer.Option(help="Older than this job.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 20,
    json: options.Json = False,
) -> None:
    """List jobs, newest first.

    Its short ids serve wherever an id is asked for; --json has them whole.
    """
    from cinemill.cli.job_titles import find_titles

    with connect.open_client() as mill:
        found = mill.jobs(
            state=state.value if state else None,
            kind=kind,
            asset_id=asset,
            before=find_job_id(mill, before) if before else None,
            limit=limit,
        )
        if json:
            print_json(found)
            return
        titles = find_titles(mill, found)
    if not found:
        _say_there_are_none(kind, is_filtered=any((state, kind, asset, before)))
        return
    _show_jobs(found, titles)
    if len(found) == limit:
        say(f"Older ones: cinemill jobs --before {shorten(str(found[-1].get('id', '')))}")


def _show_jobs(found: list[JobDocument], titles: dict[str, str]) -> None:
    screen = console()
    is_wide = screen.width >= WIDE
    heads = ("!Job", "Film", "!Kind", "!State", "!>Done", "!>Age")
    table = make_table(*heads, *(("Message",) if is_wide else ()))
    for job in found:
        job_id, failure = str(job.get("id", "")), job.get("failure") or {}
        message = failure.get("message") or str(job.get("message") or "")
        table.add_row(
            shorten(job_id),
            shorten_to_fit(titles.get(job_id, "")),
            str(job.get("kind", "")),
            color_state(str(job.get("state", ""))),
            f"{float(job.get('progress') or 0):.0f} %",
            show_age(job.get("queued_at")),
            *((shorten_to_fit(message),) if is_wide else ()),
        )
    screen.print(table)


def _say_there_are_none(kind: str | None, *, is_filtered: bool) -> None:
    from cinemill.catalog import CATALOG

    if kind and kind not in CATALOG.jobs:
        say(f"No job is of a kind {kind!r}; kinds are {', '.join(CATALOG.jobs)}.")
    elif is_filtered:
        say("No such jobs.")
    else:
        say("No jobs yet. Send a film with 'cinemill submit FILE'.")


def cancel(
    job: options.JobIds,
    reason: Annotated[str, typer.Option(help="Why; kept with the job.")] = "",
    json: options.Json = False,
) -> None:
    """Cancel jobs; what runs is stopped. One that has ended stops no other."""
    with connect.open_client() as mill:
        cancelled, codes = for_each(
            job, lambda text: mill.cancel(find_job_id(mill, text), reason), json=json
        )
    if json:
        print_json(cancelled)
    for document in cancelled if not json else ():
        short = shorten(str(document.get("id", "")))
        if document.get("state") == "cancelled":
            say(f"{short} is cancelled.")
        else:
            say(f"{short} is being stopped; 'cinemill watch {short}' follows it to its end.")
    raise typer.Exit(worst(codes))


def retry(
    job: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="JOB", help="Ids of jobs; the first characters are enough, from four."
        ),
    ] = None,
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
    with connect.open_client() as mill:
        if failed:
            _retry_failed(mill, kind, code, json=json)
            return
        retried, codes = for_each(
            job or [], lambda text: mill.retry(find_job_id(mill, text)), json=json
        )
    if json:
        print_json(retried)
    for document in retried if not json else ():
        short = shorten(str(document.get("id", "")))
        say(f"{short} is queued again; 'cinemill watch {short}' follows it.")
    raise typer.Exit(worst(codes))


def _retry_failed(mill: Client, kind: str | None, code: str | None, *, json: bool) -> None:
    answer = mill.retry_failed(kind=kind, code=code)
    if json:
        print_json(answer)
    else:
        say(f"{answer.get('retried', 0)} job(s) retried.")
