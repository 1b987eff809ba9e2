"""Jobs, their steps and dead letters, as they are read one by one and in lists."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    DateTime,
    Label,
    Select,
    func,
    literal_column,
    or_,
    select,
    text,
    tuple_,
)

from cinemill.core.job import DeadStep, Job, JobState, Step
from cinemill.core.page_position import PagePosition
from cinemill.errors import NotFound
from cinemill.storage import tables
from cinemill.storage.jobs.job_rows import (
    listed_columns,
    listed_failure,
    read_failure,
    read_job,
    read_step,
    readable_time,
    seconds_left,
)

FILE_PARAMETERS = ("path", "job")
"""Of jobs of files that are no asset yet: a video, or the timeline of a render."""


def get_job(connection: Connection, job_id: str) -> Job:
    """Return a job. Raises NotFound."""
    left: Label[float] = literal_column(seconds_left()).label("seconds_left")
    query = select(tables.job, left).where(tables.job.c.id == job_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise job_not_found(job_id)
    return read_job(row)


def get_jobs(connection: Connection, job_ids: Collection[str]) -> dict[str, Job]:
    """Return those of these jobs that exist, by id."""
    left: Label[float] = literal_column(seconds_left()).label("seconds_left")
    query = select(tables.job, left).where(tables.job.c.id.in_(job_ids))
    return {row["id"]: read_job(row) for row in connection.execute(query).mappings()}


def lock_job(connection: Connection, job_id: str) -> Job:
    """Return the job, locked until the transaction ends.

    Every change of a job's steps or runs takes this lock first, so that two of its runs that end
    together unblock their child once. Raises NotFound.
    """
    query = select(tables.job).where(tables.job.c.id == job_id).with_for_update()
    row = connection.execute(query).mappings().first()
    if row is None:
        raise job_not_found(job_id)
    return read_job(row)


def list_jobs(
    connection: Connection,
    *,
    states: Sequence[JobState] = (),
    kind: str | None = None,
    owner: str | None = None,
    asset_id: str | None = None,
    older_than_seconds: float | None = None,
    before: str | None = None,
    after: PagePosition | None = None,
    id_prefix: str | None = None,
    of_videos: bool = False,
    limit: int = 50,
) -> list[Job]:
    """Return jobs, newest first: those older than the job ``before``, those ``after`` a position.

    ``of_videos`` returns only those of an asset that stays, or of files of their own.
    What is too large for a list is left out (``Job.clipped``): a page is bounded, whatever its
    rows are, and no row that cannot be read as it should be keeps the others from being listed.
    """
    column = tables.job.c
    query: Select[Any] = (
        select(literal_column(listed_columns()))
        .select_from(tables.job)
        .order_by(column.queued_at.desc(), column.id.desc())
    )
    if states:
        query = query.where(column.state.in_([state.value for state in states]))
    for name, value in (("kind", kind), ("owner", owner), ("asset_id", asset_id)):
        if value is not None:
            query = query.where(column[name] == value)
    if older_than_seconds is not None:
        now = func.clock_timestamp(type_=DateTime(timezone=True))
        query = query.where(column.queued_at < now - timedelta(seconds=older_than_seconds))
    if id_prefix is not None:
        query = query.where(column.id.startswith(id_prefix, autoescape=True))
    if of_videos:
        files = (column.params[name].astext.is_not(None) for name in FILE_PARAMETERS)
        query = query.where(or_(column.asset_id.is_not(None), *files), ~_is_of_deleted())
    if before is not None:
        cursor = select(column.queued_at, column.id).where(column.id == before).scalar_subquery()
        query = query.where(tuple_(column.queued_at, column.id) < cursor)
    query = restrict_to_after(query, after)
    return [read_job(row) for row in connection.execute(query.limit(limit)).mappings()]


def _is_of_deleted() -> ColumnElement[bool]:
    """Return whether the job is of an asset that is about to be deleted."""
    asset = tables.asset.c
    marked = select(asset.id).where(
        asset.id == tables.job.c.asset_id, asset.deletion_ends.is_not(None)
    )
    return marked.correlate(tables.job).exists()


def restrict_to_after(query: Select[Any], after: PagePosition | None) -> Select[Any]:
    """Return a query of jobs, newest first, without those up to a position; None takes all."""
    return query if after is None else query.where(text(_AFTER_JOB)).params(**_name_position(after))


def is_named_by_unfinished_job(connection: Connection, asset_id: str) -> bool:
    """Return whether an unfinished job has this id in its parameters or in a step's result.

    Or in the call that it is to begin with once others have ended.
    """
    found = connection.execute(
        text(
            """
            SELECT EXISTS (
                SELECT FROM job WHERE job.state IN ('pending', 'running')
                  AND (strpos(job.params::text, :asset_id) > 0 OR EXISTS (
                      SELECT FROM step
                      WHERE step.job_id = job.id AND strpos(step.result::text, :asset_id) > 0)
                    OR EXISTS (
                      SELECT FROM job_wait WHERE job_wait.job_id = job.id
                        AND strpos(job_wait.call::text, :asset_id) > 0)))
            """
        ),
        {"asset_id": asset_id},
    ).scalar_one()
    return bool(found)


_AFTER_JOB = f"""
    (job.queued_at, job.id) < (coalesce(
        (SELECT last.queued_at FROM job AS last
         WHERE last.id = :after_id AND {readable_time("last.queued_at")} = :after_at),
        :after_at), :after_id)
"""  # noqa: S608 - made of constants
"""The stored time of the last entry counts where the one that was shown stands in for it."""


def list_steps(connection: Connection, job_id: str) -> list[Step]:
    """Return all steps of a job, in the order of its plan."""
    rows = connection.execute(_select_steps(job_id)).mappings()
    return [read_step(row) for row in rows]


def list_step_page(
    connection: Connection, job_id: str, *, after: int | None = None, limit: int = 100
) -> list[tuple[int, Step]]:
    """Return steps of a job with their positions, those ``after`` a position."""
    query = _select_steps(job_id).limit(limit)
    if after is not None:
        query = query.where(tables.step.c.position > after)
    rows = connection.execute(query).mappings()
    return [(row["position"], read_step(row)) for row in rows]


def _select_steps(job_id: str) -> Select[Any]:
    peak = select(func.max(tables.run.c.peak_memory_bytes)).where(
        tables.run.c.step_id == tables.step.c.id
    )
    return (
        select(tables.step, peak.scalar_subquery().label("peak_memory_bytes"))
        .where(tables.step.c.job_id == job_id)
        .order_by(tables.step.c.position)
    )


_DIED_AT = readable_time("dead.died_at")


def list_dead(
    connection: Connection, *, after: PagePosition | None = None, limit: int = 100
) -> list[DeadStep]:
    """Return the dead steps, latest first; those ``after`` a position."""
    position = _name_position(after) if after else {}
    rows = connection.execute(
        text(
            f"""
            SELECT step_id, job_id, job_kind, step_name, owner, attempts, failures, crashes,
                   {listed_failure()} AS failure, {_DIED_AT} AS died_at
            FROM dead WHERE {f"({_DIED_AT}, step_id) < (:after_at, :after_id)" if after else "true"}
            ORDER BY {_DIED_AT} DESC, step_id DESC LIMIT :limit
            """  # noqa: S608 - made of constants
        ),
        {"limit": limit, **position},
    ).mappings()
    return [DeadStep(**{**row, "failure": read_failure(row["failure"] or {})}) for row in rows]


def _name_position(position: PagePosition) -> dict[str, Any]:
    return {"after_at": position.at, "after_id": position.id}


def job_not_found(job_id: str) -> NotFound:
    return NotFound(f"There is no job {job_id}.", code="job_not_found")
