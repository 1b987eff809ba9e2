"""Ids as people type them: the first characters are enough, as with git and docker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from cinemill.cli.console import print_error
from cinemill.cli.exit_codes import ExitCode, exit_code_of
from cinemill.errors import CinemillError, Conflict, NotFound

if TYPE_CHECKING:
    from cinemill.client import Client, JobDocument

FEWEST = 4
"""Characters that name a job; with fewer, a text is taken for a whole id."""
SHOWN = 8
LARGEST_PAGE = 500
NAMED = 5
"""Candidates that are named where a text fits several."""


def shorten(job_id: str) -> str:
    """The first characters of an id of ours; one that somebody else chose stays whole."""
    return job_id[:SHOWN] if _is_uuid(job_id) else job_id


def find_job_id(mill: Client, text: str) -> str:
    """The whole id of the one job whose id begins with ``text``.

    A text of fewer than four characters, and a whole id, are given back as they are: whoever uses
    them learns whether there is such a job. Raises NotFound; Conflict where several jobs fit.
    """
    if len(text) < FEWEST or _is_uuid(text):
        return text
    found = mill.jobs(id_prefix=text, limit=NAMED + 1)
    ids = [str(job["id"]) for job in found]
    return choose(text, ids, lambda: _describe(found), listed_by="cinemill jobs")


def find_step_id(mill: Client, text: str) -> str:
    """The whole id of the one dead step whose id begins with ``text``; see find_job_id."""
    if len(text) < FEWEST or _is_uuid(text):
        return text
    steps = [str(step["id"]) for step in mill.dead()]
    fitting = [step for step in steps if step.startswith(text)]
    return choose(text, steps, lambda: fitting, listed_by="cinemill dead list")


def find_message_id(mill: Client, text: str) -> str:
    """The whole id of the one dead message whose id begins with ``text``; see find_job_id."""
    if _is_uuid(text):
        return text
    ids = list_message_ids(mill)
    fitting = [found for found in ids if found.startswith(text)]
    return choose(text, ids, lambda: fitting, listed_by="cinemill dead list")


def list_message_ids(mill: Client) -> list[str]:
    """Of as many dead messages as one page shows, the latest."""
    return [str(found.get("id", "")) for found in mill.dead_messages(limit=LARGEST_PAGE)]


def choose(
    text: str, ids: Sequence[str], describe: Callable[[], Sequence[str]], *, listed_by: str
) -> str:
    """The one id that is ``text``, or begins with it."""
    fitting = sorted({one for one in ids if one.startswith(text)})
    if text in fitting:
        return text
    if not fitting:
        message = f"No ID begins with {text!r}."
        raise NotFound(message, hint=f"'{listed_by}' lists the existing IDs.")
    if len(fitting) > 1:
        named = describe()
        shown = ", ".join(named[:NAMED]) + (" and more" if len(named) > NAMED else "")
        raise Conflict(
            f"{text!r} matches several IDs: {shown}.",
            code="id_ambiguous",
            hint="Type more characters of the ID.",
        )
    return fitting[0]


def for_each(
    texts: Sequence[str], act: Callable[[str], JobDocument], *, json: bool
) -> tuple[list[JobDocument], list[ExitCode]]:
    """What ``act`` answered for each text, and the code of each; an error stops no other."""
    documents: list[JobDocument] = []
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
    length = SHOWN
    ids = [str(job["id"]) for job in jobs]
    while len({one[:length] for one in ids}) < len(ids):
        length += 4
    return [f"{str(job['id'])[:length]} ({job.get('kind')}, {job.get('status')})" for job in jobs]


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
