"""Rows of frames' scores: written in one statement, read by time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select, text, tuple_

from cinemill.storage.analyses import tables
from cinemill.storage.analyses.records import Box, FramePosition, FrameScore, StoredFrameScore
from cinemill.storage.json_columns import json_parameter

_COLUMNS = tables.frame_scores.c

_INSERT = text(
    """
    INSERT INTO frame_scores (analysis_id, time_ms, position, pts, face_number, score, exclusion,
                              box_left, box_top, box_width, box_height, member_scores)
    SELECT :analysis_id, time_ms, position - 1, pts, face_number, score, exclusion,
           box_left, box_top, box_width, box_height, member_scores
    FROM ROWS FROM (jsonb_to_recordset(:frames) AS (
        time_ms bigint, pts bigint, face_number int, score float8, exclusion text, box_left float8,
        box_top float8, box_width float8, box_height float8, member_scores jsonb))
        WITH ORDINALITY AS frame (time_ms, pts, face_number, score, exclusion, box_left, box_top,
                                  box_width, box_height, member_scores, position)
    """
).bindparams(json_parameter("frames"))


def insert_frame_scores(
    connection: Connection, analysis_id: str, frames: Sequence[FrameScore]
) -> None:
    """Insert the scores of an analysis that has none yet, however many, in one statement."""
    if not frames:
        return
    rows = [_write_frame(frame) for frame in frames]
    connection.execute(_INSERT, {"analysis_id": analysis_id, "frames": rows})


def list_frame_scores(
    connection: Connection,
    analysis_id: str,
    *,
    after: FramePosition | None = None,
    from_ms: int = 0,
    until_ms: int | None = None,
    face_number: int | None = None,
    limit: int = 1000,
) -> list[StoredFrameScore]:
    """Return scores by time, from ``from_ms`` to before ``until_ms``; those ``after`` a position.

    ``face_number`` selects one face, or with 0 the frames as a whole. An analysis that
    does not exist has none.
    """
    query = (
        select(tables.frame_scores)
        .where(_COLUMNS.analysis_id == analysis_id)
        .order_by(_COLUMNS.time_ms, _COLUMNS.position)
        .limit(limit)
    )
    start = FramePosition(from_ms, -1)
    query = query.where(
        tuple_(_COLUMNS.time_ms, _COLUMNS.position) > tuple(max(start, after or start))
    )
    if until_ms is not None:
        query = query.where(_COLUMNS.time_ms < until_ms)
    if face_number is not None:
        query = query.where(_COLUMNS.face_number == face_number)
    return [_read_frame(row) for row in connection.execute(query).mappings()]


def _write_frame(frame: FrameScore) -> dict[str, Any]:
    row = {
        "time_ms": frame.time_ms,
        "pts": frame.pts,
        "face_number": frame.face_number,
        "score": frame.score,
        "exclusion": frame.exclusion,
        "member_scores": dict(frame.member_scores),
    }
    return row if frame.box is None else {**row, **write_box(frame.box)}


def _read_frame(row: RowMapping) -> StoredFrameScore:
    frame = FrameScore(
        time_ms=row["time_ms"],
        pts=row["pts"],
        score=row["score"],
        exclusion=row["exclusion"],
        face_number=row["face_number"],
        box=None if row["box_left"] is None else read_box(row),
        member_scores=row["member_scores"],
    )
    return StoredFrameScore(row["position"], frame)


def write_box(box: Box) -> dict[str, float]:
    """Return a box as columns."""
    return {
        "box_left": box.left,
        "box_top": box.top,
        "box_width": box.width,
        "box_height": box.height,
    }


def read_box(row: RowMapping) -> Box:
    """Return the box in a row that has one."""
    return Box(row["box_left"], row["box_top"], row["box_width"], row["box_height"])
