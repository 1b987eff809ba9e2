"""``cinemill index rebuild``: fills Qdrant again from PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cinemill.cli import connect, options
from cinemill.cli.arguments.endings import Interrupted
from cinemill.cli.console import print_json, print_line

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
    if job.get("status") != "completed":
        raise JobFailed(job)
    if not json:
        print_line(f"Qdrant has {(job.get('result') or {}).get('count', 0)} vectors.")


def _run(client: Client, *, json: bool) -> JobDocument:
    """Return the job at its end; raise ClientError where it cannot be followed."""
    from cinemill.cli.commands.process import describe_continuing, follow_to_end
    from cinemill.cli.progress import open_display

    job_id = str(client.submit("rebuild_projection", {})["id"])
    try:
        with open_display(quiet=json) as display:
            errors = follow_to_end(client, {NAME: job_id}, display)
    except KeyboardInterrupt:
        raise Interrupted(hint=describe_continuing([job_id])) from None
    if (error := errors.get(NAME)) is not None:
        raise error
    return client.job(job_id)
