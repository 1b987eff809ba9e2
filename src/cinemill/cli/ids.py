"""Ids abbreviated to their first characters, as in git and docker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from cinemill.cli.console import print_error
from cinemill.cli.exit_codes import ExitCode, exit_code_of
from cinemill.errors import CinemillError, Conflict, NotFound

if TYPE_CHECKING:
    from cinemill.client import Client, JobDocument

Outcome = TypeVar("Outcome")

MIN_PREFIX_LENGTH = 4
"""Shorter texts are taken for whole ids."""
SHORT_LENGTH = 8
MAX_CANDIDATES = 5
"""Candidates listed in the error if a text matches several ids."""


def shorten(job_id: str) -> str:
    """Return the first characters of a generated id; ids chosen by clients stay whole."""
    return job_id[:SHORT_LENGTH] if is_uuid(job_id) else job_id


def find_job_id(client: Client, text: str) -> str:
    """Return the whole id of the one job whose id begins with ``text``.

    Texts of fewer than four characters and whole ids are returned unchanged; the request that
    uses them fails if there is no such job. Raises NotFound, or Conflict if several jobs match.
    """
    if len(text) < MIN_PREFIX_LENGTH or is_uuid(text):
        return text
    found = client.jobs(id_prefix=text, limit=MAX_CANDIDATES + 1)
    ids = [str(job["id"]) for job in found]
    return choose(text, ids, lambda: _describe(found), listed_by="cinemill jobs")


def find_step_id(client: Client, text: str) -> str:
    """Return the whole id of the one dead step whose id begins with ``text``; see find_job_id."""
    if len(text) < MIN_PREFIX_LENGTH or is_uuid(text):
        return text
    steps = [str(step["id"]) for step in client.dead()]
    fitting = [step for step in steps if step.startswith(text)]
    return choose(text, steps, lambda: fitting, listed_by="cinemill dead list")


def find_message_id(client: Client, text: str) -> str:
    """Return the whole id of the dead message whose id begins with ``text``; see find_job_id."""
    if is_uuid(text):
        return text
    ids = list_message_ids(client)
    fitting = [found for found in ids if found.startswith(text)]
    return choose(text, ids, lambda: fitting, listed_by="cinemill dead list")


def list_message_ids(client: Client) -> list[str]:
    """Return the ids of the latest dead messages, at most one page."""
    return [str(found.get("id", "")) for found in client.dead_messages()]


def choose(
    text: str, ids: Sequence[str], describe: Callable[[], Sequence[str]], *, listed_by: str
) -> str:
    """Return the one id that equals ``text`` or begins with it.

    Raises NotFound if there is none, Conflict if there are several.
    """
    fitting = sorted({one for one in ids if one.startswith(text)})
    if text in fitting:
        return text
    if not fitting:
        message = f"No ID begins with {text!r}."
        raise NotFound(message, hint=f"'{listed_by}' lists the existing IDs.")
    if len(fitting) > 1:
        named = describe()
        more = " and more" if len(named) > MAX_CANDIDATES else ""
        shown = ", ".join(named[:MAX_CANDIDATES]) + more
        raise Conflict(
            f"{text!r} matches several IDs: {shown}.",
            code="id_ambiguous",
            hint="Type more characters of the ID.",
        )
    return fitting[0]


def for_each(
    texts: Sequence[str], act: Callable[[str], Outcome], *, json: bool
) -> tuple[list[Outcome], list[ExitCode]]:
    """Return the result of ``act`` and an exit code for each text; an error stops no other."""
    documents: list[Outcome] = []
    codes: list[ExitCode] = []
    for text in texts:
        try:
            documents.append(act(text))
            codes.append(ExitCode.OK)
        except CinemillError as error:
            print_error(error, as_json=json, about=text if len(texts) > 1 else "")
            codes.append(exit_code_of(error))
    return documents, codes


def _describe(jobs: Sequence[JobDocument]) -> list[str]:
    length = SHORT_LENGTH
    ids = [str(job["id"]) for job in jobs]
    while len({one[:length] for one in ids}) < len(ids):
        length += 4
    return [f"{str(job['id'])[:length]} ({job.get('kind')}, {job.get('status')})" for job in jobs]


def is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
