"""Rows of suspicious regions."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, select, text

from cinemill.storage.analyses import tables
from cinemill.storage.analyses.frame_scores import read_box, write_box
from cinemill.storage.analyses.records import SuspiciousRegion
from cinemill.storage.json_columns import json_parameter

_COLUMNS = tables.suspicious_regions.c

# As text: SQLAlchemy would compile the statement again for each number of rows.
_INSERT = text(
    """
    INSERT INTO suspicious_regions (analysis_id, number, face_number, start_ms, end_ms, score,
                                    box_left, box_top, box_width, box_height, evidence)
    SELECT :analysis_id, number, face_number, start_ms, end_ms, score,
           box_left, box_top, box_width, box_height, evidence
    FROM jsonb_to_recordset(:regions) AS region (
        number int, face_number int, start_ms bigint, end_ms bigint, score float8, box_left float8,
        box_top float8, box_width float8, box_height float8, evidence jsonb)
    """
).bindparams(json_parameter("regions"))


def insert_regions(
    connection: Connection, analysis_id: str, regions: Sequence[SuspiciousRegion]
) -> None:
    """Insert the regions of an analysis that has none yet; they are numbered from 1."""
    if not regions:
        return
    rows = [
        {
            "number": number,
            "face_number": region.face_number,
            "start_ms": region.start_ms,
            "end_ms": region.end_ms,
            "score": region.score,
            "evidence": None if region.evidence is None else dict(region.evidence),
            **write_box(region.box),
        }
        for number, region in enumerate(regions, start=1)
    ]
    connection.execute(_INSERT, {"analysis_id": analysis_id, "regions": rows})


def list_regions(connection: Connection, analysis_id: str) -> list[SuspiciousRegion]:
    """Return the regions of an analysis by number; those of one that does not exist are none."""
    query = (
        select(tables.suspicious_regions)
        .where(_COLUMNS.analysis_id == analysis_id)
        .order_by(_COLUMNS.number)
    )
    return [_read_region(row) for row in connection.execute(query).mappings()]


def _read_region(row: RowMapping) -> SuspiciousRegion:
    return SuspiciousRegion(
        start_ms=row["start_ms"],
        end_ms=row["end_ms"],
        score=row["score"],
        box=read_box(row),
        face_number=row["face_number"],
        evidence=row["evidence"],
    )
