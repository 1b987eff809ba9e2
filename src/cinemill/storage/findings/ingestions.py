"""Ingestions of a video: jobs that find out what is in it, and what is known by now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, literal_column, select, text

from cinemill.core.findings.finding import FindingKind
from cinemill.core.job import Job
from cinemill.core.page_position import PagePosition
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.storage import tables
from cinemill.storage.findings.gaps import (
    LASTING_CODES,
    LASTING_SUBJECT,
    Gap,
    list_gaps,
)
from cinemill.storage.findings.sets import count_active
from cinemill.storage.jobs.job_queries import restrict_to_after
from cinemill.storage.jobs.job_rows import listed_columns, read_job
from cinemill.storage.retrieval.passages import count_passages

PREPARING_KIND, ORCHESTRATING_KIND = "process_video", "orchestrate_video_ingestion"
INGESTING_KINDS = (PREPARING_KIND, ORCHESTRATING_KIND)
"""Kinds of job that prepare a video; the second always finds out what is in it as well."""

_IS_INGESTION = text(
    f"(job.kind = '{ORCHESTRATING_KIND}'"
    f" OR (job.kind = '{PREPARING_KIND}' AND job.params ->> 'profile' IS NOT NULL))"
)  # made of constants
_LIST_FAILED = text(
    """
    SELECT id FROM job
    WHERE state = 'failed' AND kind = ANY(:kinds)
      AND (CAST(:owner AS text) IS NULL OR owner = :owner)
      AND (CAST(:asset_id AS text) IS NULL OR asset_id = :asset_id)
      AND EXISTS (SELECT FROM step WHERE step.job_id = job.id)
      AND NOT EXISTS (SELECT FROM asset WHERE asset.id = job.asset_id AND deletion_ends IS NOT NULL)
    ORDER BY queued_at, id
    """
)
_LIST_INCOMPLETE = text(
    """
    SELECT id FROM asset
    WHERE (CAST(:owner AS text) IS NULL OR owner = :owner)
      AND (CAST(:asset_id AS text) IS NULL OR id = :asset_id)
      AND EXISTS (
          SELECT FROM finding_gap WHERE finding_gap.asset_id = asset.id
            AND subject <> :lasting_subject AND code <> ALL(:lasting_codes))
      AND deletion_ends IS NULL
    ORDER BY created_at, id
    """
)

_WAS_INGESTED = text(
    f"""
    SELECT EXISTS (SELECT FROM passage WHERE asset_id = :asset_id)
        OR EXISTS (SELECT FROM job WHERE asset_id = :asset_id AND state IN ('running', 'completed')
                   AND {_IS_INGESTION.text})
    """  # noqa: S608 - made of constants
)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known of a video."""

    findings: Mapping[FindingKind, int]
    """How many findings there are, by kind. A kind that was never looked for is missing."""
    passages: Mapping[PassageTrack, int]
    gaps: Sequence[Gap]
    """What could not be found out, and why."""


def count_known(connection: Connection, asset_id: str) -> Knowledge:
    """Return what is known of a video."""
    return Knowledge(
        count_active(connection, asset_id),
        count_passages(connection, asset_id),
        list_gaps(connection, asset_id),
    )


def was_ingested(connection: Connection, asset_id: str) -> bool:
    """Check whether searches know a video: it has passages, or an ingestion has begun with it."""
    return bool(connection.execute(_WAS_INGESTED, {"asset_id": asset_id}).scalar_one())


def list_ingestions(
    connection: Connection, asset_id: str, *, after: PagePosition | None = None, limit: int = 50
) -> list[Job]:
    """Return the ingestions of a video, newest first, those ``after`` a position.

    Jobs that only prepare it are none. What is too large for a list is left out, as in lists of
    jobs.
    """
    column = tables.job.c
    query: Select[Any] = (
        select(literal_column(listed_columns()))
        .select_from(tables.job)
        .where(column.asset_id == asset_id, _IS_INGESTION)
        .order_by(column.queued_at.desc(), column.id.desc())
        .limit(limit)
    )
    rows = connection.execute(restrict_to_after(query, after)).mappings()
    return [read_job(row) for row in rows]


def list_failed(
    connection: Connection, *, owner: str | None = None, asset_id: str | None = None
) -> list[str]:
    """Return the ids of failed jobs that prepare or ingest a video, oldest first.

    They are those of an owner, of an asset, or of both. Requests that were refused before their
    first step are left out: they fail again.
    """
    values = {"owner": owner, "kinds": list(INGESTING_KINDS), "asset_id": asset_id}
    return [row.id for row in connection.execute(_LIST_FAILED, values)]


def list_incomplete(
    connection: Connection, *, owner: str | None = None, asset_id: str | None = None
) -> list[str]:
    """Return the ids of videos with gaps, oldest first: of an owner, or only this asset.

    What is missing because the file is damaged is left out: another ingestion would miss it too.
    """
    values = {
        "owner": owner,
        "asset_id": asset_id,
        "lasting_subject": LASTING_SUBJECT,
        "lasting_codes": list(LASTING_CODES),
    }
    return [row.id for row in connection.execute(_LIST_INCOMPLETE, values)]
