"""Jobs that wait for others: rows without steps, which are planned once the others have ended."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from sqlalchemy import Connection, text

from cinemill.core.job import Failure, Job, JobState
from cinemill.storage.jobs import recovery, runs
from cinemill.storage.jobs.job_rows import read_job
from cinemill.storage.jobs.new_jobs import NewJob, NewStep, begin_job
from cinemill.storage.json_columns import json_parameter

MISSING_SECONDS = 15 * 60
"""After which a job that is waited for and does not exist counts as one that never will.

The jobs of a group are submitted one after the other, in a second or so."""


class StoredCall(TypedDict, total=False):
    """A call of a task, as JSON."""

    args: list[Any]
    kwargs: dict[str, Any]
    immutable: bool
    """Whether it takes no result of what it follows."""
    on: str
    """After which end of the others it is made: ``success`` or ``failure``."""
    is_body: bool
    """Whether it takes all results as a list, as the body of a chord does."""
    priority: int | None
    timing: dict[str, object]
    is_ended: bool
    """Whether its job was ended for what it follows, and waits again once that is retried. What a
    person has cancelled does not."""


@dataclass(frozen=True, slots=True)
class Follower:
    """A job that begins when others have ended."""

    id: str
    kind: str
    owner: str
    priority: int | None
    """None takes its queue's, once it is planned."""
    call: StoredCall
    """The call that it is made of, as JSON."""
    after: Sequence[str]
    """Ids of the jobs that it waits for, in the order of their results."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """A job that another one waits for; ``job`` is None where there is no such job."""

    id: str
    job: Job | None


def insert_follower(connection: Connection, follower: Follower) -> None:
    """Insert the rows of a job that waits, unless its id is taken.

    One that waits for a failure waits for more jobs then: Celery gives the error link of a group to
    each of its tasks, which are submitted one after the other.
    """
    inserted = connection.execute(
        text(
            """
            WITH inserted AS (
                INSERT INTO job (id, kind, owner, priority, request_digest, message, follows)
                VALUES (:id, :kind, :owner, coalesce(CAST(:priority AS smallint), 5), '',
                        'Waiting for another job', :follows)
                ON CONFLICT DO NOTHING RETURNING id
            ), waiting AS (
                INSERT INTO job_wait (job_id, call) SELECT id, :call FROM inserted
            ), edges AS (
                INSERT INTO job_dependency (job_id, depends_on, position)
                SELECT inserted.id, depends_on, min(position) FROM inserted
                CROSS JOIN unnest(CAST(:after AS text[])) WITH ORDINALITY
                     AS edge (depends_on, position)
                GROUP BY inserted.id, depends_on
            )
            SELECT id FROM inserted
            """
        ).bindparams(json_parameter("call")),
        {
            "id": follower.id,
            "kind": follower.kind,
            "owner": follower.owner,
            "priority": follower.priority,
            "call": dict(follower.call),
            "after": list(follower.after),
            "follows": _find_followed(follower),
        },
    ).first()
    if inserted is None and follower.call.get("on") == "failure":
        _wait_for_more(connection, follower)


def _find_followed(follower: Follower) -> str | None:
    """Return the job whose result has this one among its children; None where none has.

    As with Celery, those are links and the next in a chain: neither error links nor the bodies of
    chords.
    """
    call = follower.call
    is_link = call.get("on") == "success" and not call.get("is_body")
    return follower.after[0] if is_link and len(follower.after) == 1 else None


def list_children(connection: Connection, job_ids: Collection[str]) -> dict[str, list[str]]:
    """Return the jobs that follow these as links or in chains, by the job that they follow."""
    if not job_ids:
        return {}
    query = text("SELECT follows, id FROM job WHERE follows = ANY(:ids) ORDER BY queued_at, id")
    found: dict[str, list[str]] = {}
    for row in connection.execute(query, {"ids": list(job_ids)}):
        found.setdefault(row.follows, []).append(row.id)
    return found


def _wait_for_more(connection: Connection, follower: Follower) -> None:
    # Locked, so that no relay ends it at the same time as of jobs that are no longer all.
    query = text(
        """
        SELECT 1 FROM job JOIN job_wait ON job_wait.job_id = job.id
        WHERE job.id = :id AND job_wait.call ->> 'on' = 'failure'
          AND (job.state = 'pending' OR job_wait.call @> '{"is_ended": true}') FOR UPDATE
        """
    )
    if connection.execute(query, {"id": follower.id}).first() is None:
        return  # it has begun, or a person has cancelled it
    added = connection.execute(
        text(
            """
            INSERT INTO job_dependency (job_id, depends_on, position)
            SELECT :id, depends_on,
                   (SELECT coalesce(max(position), 0) FROM job_dependency WHERE job_id = :id)
                   + min(position)
            FROM unnest(CAST(:after AS text[])) WITH ORDINALITY AS edge (depends_on, position)
            GROUP BY depends_on
            ON CONFLICT DO NOTHING
            """
        ),
        {"id": follower.id, "after": list(follower.after)},
    ).rowcount
    if added:
        wait_again(connection, follower.id)  # where the others have ended well meanwhile


# Of waiting jobs: all that they wait for has ended, or will never be there.
_IS_READY = """
job.state = 'pending' AND job.cancel_requested_at IS NULL AND NOT EXISTS (
    SELECT FROM job_dependency LEFT JOIN job AS other ON other.id = job_dependency.depends_on
    WHERE job_dependency.job_id = job_wait.job_id
      AND (other.state IN ('pending', 'running')
           OR other.id IS NULL
              AND job_wait.created_at > clock_timestamp() - make_interval(secs => :missing)))
"""


def list_ready(connection: Connection, *, limit: int) -> list[str]:
    """Return waiting jobs for which no other one is under way: any, so that none blocks others."""
    rows = connection.execute(
        text(
            f"""
            SELECT job_wait.job_id FROM job_wait JOIN job ON job.id = job_wait.job_id
            WHERE {_IS_READY} ORDER BY random() LIMIT :limit
            """  # noqa: S608 - made of constants
        ),
        {"limit": limit, "missing": MISSING_SECONDS},
    )
    return [row.job_id for row in rows]


def list_ready_after(connection: Connection, job_ids: Collection[str], *, limit: int) -> list[str]:
    """Return those waiting jobs that wait for one of these, and for no other any more.

    At most ``limit``: any of them, so that none that is held blocks others.
    """
    rows = connection.execute(
        text(
            f"""
            SELECT job_wait.job_id FROM job_wait JOIN job ON job.id = job_wait.job_id
            WHERE job_wait.job_id IN (
                SELECT job_id FROM job_dependency WHERE depends_on = ANY(:ids)) AND {_IS_READY}
            ORDER BY random() LIMIT :limit
            """  # noqa: S608 - made of constants
        ),
        {"ids": list(job_ids), "limit": limit, "missing": MISSING_SECONDS},
    )
    return [row.job_id for row in rows]


def note_deletion(connection: Connection, job_ids: Collection[str]) -> None:
    """Note that these jobs are deleted: nobody waits for them to be submitted.

    Before their rows are. What another transaction holds is being begun or ended already.
    """
    connection.execute(
        text(
            """
            UPDATE job_wait SET created_at = '-infinity' WHERE job_id = ANY (ARRAY(
                SELECT job_wait.job_id FROM job_dependency JOIN job_wait USING (job_id)
                WHERE depends_on = ANY(:ids) FOR NO KEY UPDATE OF job_wait SKIP LOCKED))
            """
        ),
        {"ids": list(job_ids)},
    )


def lock_ready(connection: Connection, job_id: str) -> tuple[Job, StoredCall] | None:
    """Return a waiting job that is ready, locked, and its call.

    None where it is not ready, or another transaction holds it.
    """
    row = (
        connection.execute(
            text(
                f"""
                SELECT job.*, job_wait.call FROM job_wait JOIN job ON job.id = job_wait.job_id
                WHERE job_wait.job_id = :id AND {_IS_READY}
                FOR UPDATE OF job, job_wait SKIP LOCKED
                """  # noqa: S608 - made of constants
            ),
            {"id": job_id, "missing": MISSING_SECONDS},
        )
        .mappings()
        .first()
    )
    return None if row is None else (read_job(row), row["call"])


def list_dependencies(connection: Connection, job_id: str) -> list[Dependency]:
    """Return the jobs that a job waits for, in the order of their results."""
    rows = connection.execute(
        text(
            """
            SELECT job_dependency.depends_on, job.* FROM job_dependency
            LEFT JOIN job ON job.id = job_dependency.depends_on
            WHERE job_dependency.job_id = :id ORDER BY position
            """
        ),
        {"id": job_id},
    ).mappings()
    return [
        Dependency(row["depends_on"], None if row["id"] is None else read_job(row)) for row in rows
    ]


def begin(connection: Connection, new: NewJob, steps: Sequence[NewStep]) -> None:
    """Give a locked waiting job its steps and first runs: it waits for no other any more.

    Raises NotFound where there is no such asset.
    """
    begin_job(connection, new, steps)
    connection.execute(text("DELETE FROM job_dependency WHERE job_id = :id"), {"id": new.id})
    connection.execute(text("DELETE FROM job_wait WHERE job_id = :id"), {"id": new.id})


def cancel(connection: Connection, job_id: str, reason: str) -> None:
    """End a locked waiting job, since what it follows did not end as it must."""
    recovery.request_cancel(connection, job_id, reason, must_cancel_children=False)
    _note_end(connection, job_id)


def fail(connection: Connection, job_id: str, failure: Failure) -> None:
    """End a locked waiting job, of which nothing can be made."""
    runs.end_job(connection, job_id, JobState.FAILED, failure)
    _note_end(connection, job_id)


def _note_end(connection: Connection, job_id: str) -> None:
    query = """UPDATE job_wait SET call = call || '{"is_ended": true}' WHERE job_id = :id"""
    connection.execute(text(query), {"id": job_id})


def list_ended_after(connection: Connection, job_id: str) -> list[str]:
    """Return jobs that waited for this one, or for others too, and were ended for its end."""
    rows = connection.execute(
        text(
            """
            SELECT job.id FROM job_dependency JOIN job_wait USING (job_id)
            JOIN job ON job.id = job_dependency.job_id
            WHERE job_dependency.depends_on = :id AND job.state IN ('failed', 'cancelled')
              AND job_wait.call @> '{"is_ended": true}'
            ORDER BY job.id
            """
        ),
        {"id": job_id},
    )
    return [row.id for row in rows]


def wait_again(connection: Connection, job_id: str) -> None:
    """Let a job that was ended without having been begun wait for the others again."""
    connection.execute(
        text(
            """
            WITH waiting AS (
                UPDATE job_wait SET call = call - 'is_ended' WHERE job_id = :id
            )
            UPDATE job SET state = 'pending', failure = NULL, finished_at = NULL,
                   cancel_requested_at = NULL, cancel_reason = NULL, must_cancel_children = false,
                   announced = false, stage = '', queued_at = clock_timestamp(),
                   message = 'Waiting for another job'
            WHERE id = :id AND state IN ('failed', 'cancelled')
            """
        ),
        {"id": job_id},
    )


def is_waiting(connection: Connection, job_id: str) -> bool:
    """Return whether a job has a call of which nothing was made yet."""
    query = text("SELECT 1 FROM job_wait WHERE job_id = :id")
    return connection.execute(query, {"id": job_id}).first() is not None
