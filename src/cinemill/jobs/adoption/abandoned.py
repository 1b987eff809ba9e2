"""The jobs of a chain or chord that never begin, since what they follow was refused.

Their ids are known to the client that sent it, which may wait for any of them: each becomes a
cancelled job. What is not of ours has no row, and leaves the others with theirs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from cinemill.core.documents import JsonObject
from cinemill.core.job import DEFAULT_OWNER
from cinemill.jobs.adoption.names import find_kind
from cinemill.storage.database import Database
from cinemill.storage.jobs.new_jobs import insert_cancelled

MOST_ABANDONED = 200
"""What is waited for is found first: the body of a chord, the end of a chain."""
LONGEST_ID = 155
LONGEST_REASON = 500
_OPTIONS = ("chord", "chain", "link", "link_error")
_MEMBERS = ("body", "tasks", "header")


def find_abandoned(options: JsonObject, kinds: Collection[str]) -> dict[str, str]:
    """Return the kinds of job by id of all that follows a call with these options.

    They come from outside: what is no signature is passed over.
    """
    found: dict[str, str] = {}
    for signature in _walk(options):
        if len(found) == MOST_ABANDONED:
            break
        own = signature.get("options")
        task, job_id = (
            signature.get("task"),
            (own if isinstance(own, Mapping) else {}).get("task_id"),
        )
        kind = find_kind(task, kinds) if isinstance(task, str) else None
        if kind is not None and _is_id(job_id):
            found.setdefault(str(job_id), kind)
    return found


def cancel_abandoned(
    database: Database, abandoned: Mapping[str, str], *, after: str, why: str
) -> None:
    """Create these jobs as cancelled, unless they exist. Raises DatabaseUnavailable."""
    if not abandoned:
        return
    reason = f"It follows job {after}, which failed: {why}"[:LONGEST_REASON]
    with database.begin() as connection:
        for job_id, kind in abandoned.items():
            insert_cancelled(connection, job_id, kind, DEFAULT_OWNER, reason)


def _walk(options: JsonObject) -> Iterator[Mapping[str, Any]]:
    """Yield every signature in the options of a call, those of its options and members too."""
    pending: list[Any] = [options.get(name) for name in reversed(_OPTIONS)]
    while pending:
        value = pending.pop()
        if isinstance(value, list | tuple):
            pending.extend(reversed(value))
        if not _is_object(value):
            continue
        yield value
        for member, names in (("options", _OPTIONS), ("kwargs", _MEMBERS)):
            inner = value.get(member)
            is_canvas = str(value.get("task")).startswith("celery.")
            if _is_object(inner) and (member == "options" or is_canvas):
                pending.extend(inner.get(name) for name in reversed(names))


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_id(value: Any) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value) <= LONGEST_ID
        and value.isascii()
        and value.isprintable()
    )
