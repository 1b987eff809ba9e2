"""Sets of findings: filled next to the active one, in parts, and switched in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from psycopg.errors import ForeignKeyViolation
from sqlalchemy import Connection, RowMapping, select, text, tuple_
from sqlalchemy.exc import IntegrityError

from cinemill.core.findings.finding import Finding, FindingKind, FindingModel, PictureBox
from cinemill.errors import NotFound
from cinemill.storage.findings import tables
from cinemill.storage.json_columns import json_parameter

_COLUMNS = tables.finding.c
_SETS = tables.finding_set.c

_OPEN = text(
    """
    INSERT INTO finding_set (id, asset_id, kind, provider, model, revision, version, params_digest)
    VALUES (:id, :asset_id, :kind, :provider, :model, :revision, :version, :params_digest)
    ON CONFLICT (id) DO NOTHING
    """
)
# As text: SQLAlchemy would compile the statement again for each number of rows.
_INSERT = text(
    """
    INSERT INTO finding (set_id, part, number, start_ms, end_ms, label, label_key, confidence,
                         box_left, box_top, box_width, box_height, track, details)
    SELECT :set_id, :part, number - 1, start_ms, end_ms, label, left(lower(label), 100), confidence,
           box_left, box_top, box_width, box_height, track, details
    FROM ROWS FROM (jsonb_to_recordset(:findings) AS (
        start_ms bigint, end_ms bigint, label text, confidence float8, box_left float8,
        box_top float8, box_width float8, box_height float8, track int, details jsonb))
        WITH ORDINALITY AS found (start_ms, end_ms, label, confidence, box_left, box_top, box_width,
                                  box_height, track, details, number)
    """
).bindparams(json_parameter("findings"))
_DELETE_ABANDONED = text(
    """
    -- An array, which is made once: see storage.analyses.
    DELETE FROM finding_set WHERE id = ANY (ARRAY(
        SELECT id FROM finding_set
        WHERE state = 'filling' AND created_at < calendar_time() - make_interval(hours => :hours)
          AND NOT EXISTS (
              SELECT FROM job WHERE job.asset_id = finding_set.asset_id
              AND (job.state IN ('pending', 'running')
                   OR (job.state IN ('failed', 'cancelled') AND job.finished_at
                       > calendar_time() - make_interval(hours => :hours))))
        LIMIT :limit FOR UPDATE SKIP LOCKED))
    """
)
_DELETE_ACTIVE = text(
    """
    DELETE FROM finding_set USING finding_set AS chosen
    WHERE chosen.id = :id AND finding_set.asset_id = chosen.asset_id
      AND finding_set.kind = chosen.kind AND finding_set.state = 'active'
      AND finding_set.id <> chosen.id
    """
)


@dataclass(frozen=True, slots=True)
class FindingSet:
    """What one model, with one set of parameters, found in a video."""

    id: str
    asset_id: str
    kind: FindingKind
    model: FindingModel
    params_digest: str
    is_active: bool


def set_id(asset_id: str, kind: FindingKind, model: FindingModel, params_digest: str) -> str:
    """Return the id of a set, which is the same for every process that fills it."""
    parts = (
        asset_id,
        kind.value,
        model.provider,
        model.name,
        model.revision,
        str(model.version),
        params_digest,
    )
    return str(uuid5(NAMESPACE_OID, "\x1f".join(parts)))


def lock_asset(connection: Connection, asset_id: str) -> None:
    """Have all others wait that store findings of this video, until the transaction ends.

    Raises NotFound (``asset_not_found``).
    """
    lock = text("SELECT 1 FROM asset WHERE id = :id FOR NO KEY UPDATE")
    if connection.execute(lock, {"id": asset_id}).first() is None:
        raise _asset_not_found(asset_id)


def open_set(
    connection: Connection,
    asset_id: str,
    kind: FindingKind,
    model: FindingModel,
    params_digest: str,
) -> FindingSet:
    """Return the set of this work, created if it does not exist yet.

    It is active where the same work was completed before, and then nothing is left to be done.

    Raises NotFound (``asset_not_found``).
    """
    identity = set_id(asset_id, kind, model, params_digest)
    values = {
        "id": identity,
        "asset_id": asset_id,
        "kind": kind.value,
        "provider": model.provider,
        "model": model.name,
        "revision": model.revision,
        "version": model.version,
        "params_digest": params_digest,
    }
    try:
        connection.execute(_OPEN, values)
    except IntegrityError as error:
        if not isinstance(error.orig, ForeignKeyViolation):
            raise
        raise _asset_not_found(asset_id) from error
    query = select(tables.finding_set).where(_SETS.id == UUID(identity))
    found = connection.execute(query).mappings().first()
    if found is None:  # it was there before, and its video has been deleted since
        raise _asset_not_found(asset_id)
    return _read_set(found)


def save_part(connection: Connection, set_id: str, part: int, findings: Sequence[Finding]) -> None:
    """Store the findings of one part of a set, in place of those of an earlier attempt.

    Parts are numbered from 0, for instance by the chunk of the video that they were found in.

    Raises NotFound (``finding_set_not_found``) where the set, or its asset, was deleted.
    """
    lock = text("SELECT 1 FROM finding_set WHERE id = :id FOR KEY SHARE")
    if connection.execute(lock, {"id": UUID(set_id)}).first() is None:
        raise _set_not_found(set_id)
    values = {"set_id": UUID(set_id), "part": part}
    connection.execute(text("DELETE FROM finding WHERE set_id = :set_id AND part = :part"), values)
    if findings:
        rows = [_write_finding(finding) for finding in findings]
        connection.execute(_INSERT, {**values, "findings": rows})


def activate_set(connection: Connection, set_id: str) -> None:
    """Make a set the active one of its video and kind; delete the one that was.

    Readers see the one or the other, never both or none. Raises NotFound
    (``finding_set_not_found``).
    """
    # The asset's row is the lock: of two that switch at once, one waits for the other.
    lock = text(
        "SELECT asset.id FROM asset JOIN finding_set ON finding_set.asset_id = asset.id "
        "WHERE finding_set.id = :id FOR NO KEY UPDATE OF asset"
    )
    if connection.execute(lock, {"id": UUID(set_id)}).first() is None:
        raise _set_not_found(set_id)
    connection.execute(_DELETE_ACTIVE, {"id": UUID(set_id)})
    connection.execute(
        text("UPDATE finding_set SET state = 'active' WHERE id = :id"), {"id": UUID(set_id)}
    )


def delete_set(connection: Connection, set_id: str) -> None:
    """Delete a set with its findings, if it is there."""
    connection.execute(text("DELETE FROM finding_set WHERE id = :id"), {"id": UUID(set_id)})


def delete_abandoned(connection: Connection, *, older_than_hours: int, limit: int = 1000) -> int:
    """Delete at most ``limit`` sets that were begun so long ago and never completed.

    Those of a video stay while a job of it is under way, or failed or was cancelled more recently
    than that: a person may retry it. Returns how many were deleted.
    """
    values = {"hours": older_than_hours, "limit": limit}
    return connection.execute(_DELETE_ABANDONED, values).rowcount


def find_active(connection: Connection, asset_id: str, kind: FindingKind) -> FindingSet | None:
    """Return the active set of a video and kind, if there is one."""
    query = select(tables.finding_set).where(
        _SETS.asset_id == asset_id, _SETS.kind == kind.value, _SETS.state == "active"
    )
    row = connection.execute(query).mappings().first()
    return None if row is None else _read_set(row)


def count_active(connection: Connection, asset_id: str) -> dict[FindingKind, int]:
    """Return how many findings of each kind a video has; 0 for what was looked for and not found.

    Key frames and shots are findings like any other. The set of knowledge holds none.
    """
    query = text(
        """
        SELECT finding_set.kind, count(finding.set_id) AS found FROM finding_set
        LEFT JOIN finding ON finding.set_id = finding_set.id
        WHERE finding_set.asset_id = :asset_id AND finding_set.state = 'active'
          AND finding_set.kind <> 'knowledge'
        GROUP BY finding_set.kind ORDER BY finding_set.kind
        """
    )
    rows = connection.execute(query, {"asset_id": asset_id})
    return {FindingKind(row.kind): row.found for row in rows}


def list_sets(connection: Connection, asset_id: str) -> list[FindingSet]:
    """Return all sets of a video, by kind; those that are being filled included."""
    query = (
        select(tables.finding_set)
        .where(_SETS.asset_id == asset_id)
        .order_by(_SETS.kind, _SETS.state, _SETS.id)
    )
    return [_read_set(row) for row in connection.execute(query).mappings()]


def list_findings(
    connection: Connection,
    set_id: str,
    *,
    after: tuple[int, int, int] | None = None,
    from_ms: int | None = None,
    to_ms: int | None = None,
    limit: int = 1000,
) -> list[tuple[tuple[int, int, int], Finding]]:
    """Return findings of a set by time, each with its position; those ``after`` a position.

    A position is (start in milliseconds, part, number). Only what ends after ``from_ms`` and
    starts before ``to_ms`` is returned.
    """
    place = tuple_(_COLUMNS.start_ms, _COLUMNS.part, _COLUMNS.number)
    query = (
        select(tables.finding)
        .where(_COLUMNS.set_id == UUID(set_id))
        .order_by(_COLUMNS.start_ms, _COLUMNS.part, _COLUMNS.number)
        .limit(limit)
    )
    if after is not None:
        query = query.where(place > after)
    if from_ms is not None:
        query = query.where(_COLUMNS.end_ms > from_ms)
    if to_ms is not None:
        query = query.where(_COLUMNS.start_ms < to_ms)
    return [
        ((row["start_ms"], row["part"], row["number"]), _read_finding(row))
        for row in connection.execute(query).mappings()
    ]


def _asset_not_found(asset_id: str) -> NotFound:
    return NotFound(f"There is no asset {asset_id}.", code="asset_not_found")


def _set_not_found(set_id: str) -> NotFound:
    return NotFound(f"There is no set of findings {set_id}.", code="finding_set_not_found")


def _read_set(row: RowMapping) -> FindingSet:
    return FindingSet(
        id=str(row["id"]),
        asset_id=row["asset_id"],
        kind=FindingKind(row["kind"]),
        model=FindingModel(row["provider"], row["model"], row["revision"], row["version"]),
        params_digest=row["params_digest"],
        is_active=row["state"] == "active",
    )


def _write_finding(finding: Finding) -> dict[str, Any]:
    row: dict[str, Any] = {
        "start_ms": finding.start_ms,
        "end_ms": finding.end_ms,
        "label": finding.label,
        "confidence": finding.confidence,
        "track": finding.track,
        "details": dict(finding.details),
    }
    return row if finding.box is None else {**row, **write_box(finding.box)}


def _read_finding(row: RowMapping) -> Finding:
    return Finding(
        start_ms=row["start_ms"],
        end_ms=row["end_ms"],
        label=row["label"],
        confidence=row["confidence"],
        box=read_box(row),
        track=row["track"],
        details=row["details"],
    )


def write_box(box: PictureBox) -> dict[str, float]:
    """Return a box as columns."""
    return {
        "box_left": box.left,
        "box_top": box.top,
        "box_width": box.width,
        "box_height": box.height,
    }


def read_box(row: RowMapping) -> PictureBox | None:
    """Return the box in a row, if it has one."""
    if row["box_left"] is None:
        return None
    return PictureBox(row["box_left"], row["box_top"], row["box_width"], row["box_height"])
