"""Rows of analyses: created with their jobs, listed, found again by their work, and deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg.errors import ForeignKeyViolation
from sqlalchemy import Connection, RowMapping, Select, select, text, tuple_
from sqlalchemy.exc import IntegrityError

from cinemill.core.job import JobState
from cinemill.core.page_position import PagePosition
from cinemill.errors import NotFound
from cinemill.storage.analyses import tables
from cinemill.storage.analyses.records import Analysis, AnalysisError
from cinemill.storage.jobs.job_queries import job_not_found

_COLUMNS = tables.analyses.c

# The lock on the job's row keeps its state from changing until the analysis is there to follow it.
_CREATE = """
WITH followed AS (
    SELECT * FROM job WHERE id = :id FOR NO KEY UPDATE
), created AS (
    INSERT INTO analyses (id, asset_id, owner, kind, state, is_fast, started_at, finished_at,
                          verdict, error_code, error_message, error_hint)
    SELECT id, coalesce(:asset_id, asset_id), owner, kind, state, :is_fast, started_at,
           finished_at, CASE state WHEN 'failed' THEN 'failed' END, failure ->> 'code',
           failure ->> 'message', failure ->> 'hint'
    FROM followed
    ON CONFLICT (id) DO NOTHING
)
SELECT id FROM followed
"""


def create_analysis(
    connection: Connection, job_id: str, *, asset_id: str | None = None, is_fast: bool = False
) -> None:
    """Create the analysis of a job, whose id, owner and state it shares, unless it exists.

    From then on the database copies every change of the job's state, error and asset to it.
    ``asset_id`` is for a job that does not name its video's asset yet.

    Raises NotFound (``job_not_found``, ``asset_not_found``).
    """
    values = {"id": job_id, "asset_id": asset_id, "is_fast": is_fast}
    try:
        found = connection.execute(text(_CREATE), values).first()
    except IntegrityError as error:
        if not isinstance(error.orig, ForeignKeyViolation):
            raise
        raise NotFound(f"There is no asset {asset_id}.", code="asset_not_found") from error
    if found is None:
        raise job_not_found(job_id)


def get_analysis(connection: Connection, analysis_id: str) -> Analysis:
    """Return an analysis. Raises NotFound."""
    return _get(connection, select(tables.analyses), analysis_id)


def lock_analysis(connection: Connection, analysis_id: str) -> Analysis:
    """Return an analysis, locked until the transaction ends. Raises NotFound."""
    return _get(connection, select(tables.analyses).with_for_update(), analysis_id)


def _get(connection: Connection, query: Select[Any], analysis_id: str) -> Analysis:
    row = connection.execute(query.where(_COLUMNS.id == analysis_id)).mappings().first()
    if row is None:
        raise NotFound(f"There is no analysis {analysis_id}.", code="analysis_not_found")
    return read_analysis(row)


def list_analyses(
    connection: Connection,
    *,
    asset_id: str | None = None,
    owner: str | None = None,
    state: JobState | None = None,
    verdict: str | None = None,
    after: PagePosition | None = None,
    limit: int = 50,
) -> list[Analysis]:
    """Return analyses, newest first; those ``after`` a position."""
    wanted = {"asset_id": asset_id, "owner": owner, "state": state, "verdict": verdict}
    query = (
        select(tables.analyses)
        .where(*(_COLUMNS[name] == value for name, value in wanted.items() if value is not None))
        .order_by(_COLUMNS.created_at.desc(), _COLUMNS.id.desc())
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(_COLUMNS.created_at, _COLUMNS.id) < (after.at, after.id))
    return [read_analysis(row) for row in connection.execute(query).mappings()]


def list_by_ids(connection: Connection, analysis_ids: Sequence[str]) -> list[Analysis]:
    """Return the analyses with these ids, in this order; without those that do not exist."""
    query = select(tables.analyses).where(_COLUMNS.id.in_(analysis_ids))
    found = {row["id"]: row for row in connection.execute(query).mappings()}
    return [read_analysis(found[one]) for one in analysis_ids if one in found]


def delete_expired(connection: Connection, *, limit: int = 1000) -> int:
    """Delete at most ``limit`` analyses whose time is over and return how many.

    A reviewed analysis does not expire: its audit trail stays as long as its video. One that
    another transaction holds is deleted the next time.
    """
    return connection.execute(
        text(
            """
            -- An array is made once. A plan may evaluate what stands after IN again for each row,
            -- and then find other rows, since those before are locked by now.
            DELETE FROM analyses WHERE id = ANY (ARRAY(
                SELECT id FROM analyses WHERE expires_at <= calendar_time()
                ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED))
            """
        ),
        {"limit": limit},
    ).rowcount


def read_analysis(row: RowMapping) -> Analysis:
    """Return the analysis in a row."""
    return Analysis(
        id=row["id"],
        asset_id=row["asset_id"],
        owner=row["owner"],
        kind=row["kind"],
        state=JobState(row["state"]),
        is_fast=row["is_fast"],
        step_key=row["step_key"],
        verdict=row["verdict"],
        reviewed_verdict=row["reviewed_verdict"],
        needs_review=row["needs_review"],
        error=_read_error(row),
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        expires_at=row["expires_at"],
    )


def _read_error(row: RowMapping) -> AnalysisError | None:
    if row["error_code"] is None:
        return None
    return AnalysisError(row["error_code"], row["error_message"] or "", row["error_hint"] or "")
