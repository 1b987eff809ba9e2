"""What an analysis found, written as a whole: verdict, frames, regions and metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, text

from cinemill.errors import NotFound
from cinemill.storage.analyses import tables
from cinemill.storage.analyses.frame_scores import insert_frame_scores
from cinemill.storage.analyses.records import FrameScore, Metrics, Result, SuspiciousRegion
from cinemill.storage.analyses.regions import insert_regions
from cinemill.storage.json_columns import json_parameter

_RECORD = text(
    """
    UPDATE analyses SET verdict = :verdict, step_key = :step_key,
           needs_review = :needs_review AND reviewed_verdict IS NULL,
           expires_at = CASE WHEN reviewed_verdict IS NULL THEN
               statement_timestamp() + make_interval(secs => :ttl_seconds) END
    WHERE id = :id
    """
)

# Statements of several parts, for each is a way to the server and back, and a cached analysis takes
# little else.
_DELETE = text(
    """
    WITH results AS (DELETE FROM analysis_results WHERE analysis_id = :id),
         metrics AS (DELETE FROM analysis_metrics WHERE analysis_id = :id),
         frames AS (DELETE FROM frame_scores WHERE analysis_id = :id)
    DELETE FROM suspicious_regions WHERE analysis_id = :id
    """
)
_INSERT = text(
    """
    WITH results AS (
        INSERT INTO analysis_results (analysis_id, verdict, score, reasons, face_count, versions,
                                      report)
        VALUES (:id, :verdict, :score, :reasons, :face_count, :versions, :report)
    )
    INSERT INTO analysis_metrics (analysis_id, processing_seconds, stage_seconds, confidence,
                                  frame_count, cache_hit, device)
    VALUES (:id, :processing_seconds, :stage_seconds, :confidence, :frame_count, :cache_hit,
            :device)
    """
).bindparams(*map(json_parameter, ("reasons", "versions", "report", "stage_seconds")))


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that an analysis found."""

    result: Result
    frames: Sequence[FrameScore]
    """In order of time."""
    regions: Sequence[SuspiciousRegion]
    metrics: Metrics


def save_findings(
    connection: Connection,
    analysis_id: str,
    step_key: str,
    findings: Findings,
    *,
    needs_review: bool = False,
    ttl_seconds: float | None = None,
) -> None:
    """Store what an analysis found, in place of what an earlier attempt stored.

    ``step_key`` is that of the work, ``needs_review`` puts the analysis into the review queue
    unless a person has decided already, and after ``ttl_seconds`` it may be deleted (None: never).

    Raises NotFound where the analysis was deleted.
    """
    values = {
        "id": analysis_id,
        "verdict": findings.result.verdict,
        "step_key": step_key,
        "needs_review": needs_review,
        "ttl_seconds": ttl_seconds,
    }
    # First, because this locks the analysis: two attempts write one after the other.
    if connection.execute(_RECORD, values).rowcount == 0:
        raise NotFound(f"There is no analysis {analysis_id}.", code="analysis_not_found")
    connection.execute(_DELETE, {"id": analysis_id})
    found = {**_write_result(findings.result), **_write_metrics(findings.metrics)}
    connection.execute(_INSERT, {"id": analysis_id, **found})
    insert_frame_scores(connection, analysis_id, findings.frames)
    insert_regions(connection, analysis_id, findings.regions)


def get_result(connection: Connection, analysis_id: str) -> Result | None:
    """Return what an analysis found, or None where it found nothing yet."""
    columns = tables.analysis_results.c
    query = select(tables.analysis_results).where(columns.analysis_id == analysis_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    return Result(
        verdict=row["verdict"],
        score=row["score"],
        reasons=tuple(row["reasons"]),
        face_count=row["face_count"],
        versions=row["versions"],
        report=row["report"],
    )


def get_metrics(connection: Connection, analysis_id: str) -> Metrics | None:
    """Return what an analysis took, or None where it has no result yet."""
    columns = tables.analysis_metrics.c
    query = select(tables.analysis_metrics).where(columns.analysis_id == analysis_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    return Metrics(
        processing_seconds=row["processing_seconds"],
        stage_seconds=row["stage_seconds"],
        frame_count=row["frame_count"],
        cache_hit=row["cache_hit"],
        confidence=row["confidence"],
        device=row["device"],
    )


def _write_result(result: Result) -> dict[str, Any]:
    return {
        "verdict": result.verdict,
        "score": result.score,
        "reasons": list(result.reasons),
        "face_count": result.face_count,
        "versions": dict(result.versions),
        "report": dict(result.report),
    }


def _write_metrics(metrics: Metrics) -> dict[str, Any]:
    return {
        "processing_seconds": metrics.processing_seconds,
        "stage_seconds": dict(metrics.stage_seconds),
        "frame_count": metrics.frame_count,
        "cache_hit": metrics.cache_hit,
        "confidence": metrics.confidence,
        "device": metrics.device,
    }
