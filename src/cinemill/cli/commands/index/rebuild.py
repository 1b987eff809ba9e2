"""``cinemill index rebuild``: fills Qdrant again from PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from cinemill.cli import connect, options
from cinemill.cli.console import print_error, print_json
from cinemill.cli.exit_codes import exit_code_of, exit_code_of_job

if TYPE_CHECKING:
    from cinemill.client import Client, JobDocument

NAME = "Qdrant"


def rebuild(json: options.Json = False) -> None:
    """Fill new collections in Qdrant, compare them with PostgreSQL, and switch searches to them.

    The present collections are searched until then, and dropped afterwards. Ctrl-C stops watching;
    the job goes on.
    """
    from cinemill.cli.result import JobFailed

    with connect.connect() as client:
        job = _run(client, json=json)
    if json:
        print_json(job)
    if (status := str(job.get("status", ""))) != "completed":
        failure = JobFailed(job)
        if not json:
            print_error(failure)
        raise typer.Exit(exit_code_of_job(status, failure.code))
    if not json:
        typer.echo(f"Qdrant has {(job.get('result') or {}).get('count', 0)} vectors.")


def _run(client: Client, *, json: bool) -> JobDocument:
    """Return the job at its end; exit where it cannot be followed."""
    from cinemill.cli.commands.process import follow_to_end, print_jobs_continue
    from cinemill.cli.progress import open_display

    job_id = str(client.submit("rebuild_projection", {})["id"])
    try:
        with open_display(quiet=json) as display:
            errors = follow_to_end(client, {NAME: job_id}, display)
    except KeyboardInterrupt:
        print_jobs_continue([job_id])
        raise
    if (error := errors.get(NAME)) is not None:
        print_error(error, as_json=json)
        raise typer.Exit(exit_code_of(error))
    return client.job(job_id)
