"""Figures of analyses over a period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class PeriodFigures:
    """Analyses that found their result in a period."""

    analyses: int
    cache_hits: int
    frames: int
    median_seconds: float | None
    """Of the processing; None where there were no analyses."""
    p95_seconds: float | None
    mean_confidence: float | None
    """Of those that are confident of their verdict at all."""
    verdicts: Mapping[str, int]
    """How many analyses reached each."""
    stage_seconds: Mapping[str, float]
    """Mean of each stage, over the analyses that went through it: a cache hit skips most."""


_TOTALS = text(
    """
    SELECT count(*) AS analyses, count(*) FILTER (WHERE cache_hit) AS cache_hits,
           coalesce(sum(frame_count), 0)::bigint AS frames,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY processing_seconds) AS median_seconds,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY processing_seconds) AS p95_seconds,
           avg(confidence) AS mean_confidence
    FROM analysis_metrics WHERE measured_at >= :start AND measured_at < :end
    """
)
_VERDICTS = text(
    """
    SELECT analysis_results.verdict, count(*) AS analyses
    FROM analysis_metrics JOIN analysis_results USING (analysis_id)
    WHERE measured_at >= :start AND measured_at < :end GROUP BY verdict
    """
)
_STAGES = text(
    """
    SELECT stage.key AS stage, avg(stage.value::float8) AS seconds
    FROM analysis_metrics CROSS JOIN LATERAL jsonb_each_text(stage_seconds) AS stage
    WHERE measured_at >= :start AND measured_at < :end GROUP BY stage.key
    """
)


def measure_period(connection: Connection, start: datetime, end: datetime) -> PeriodFigures:
    """Return the figures of the analyses that ended from ``start`` to before ``end``."""
    period = {"start": start, "end": end}
    totals = connection.execute(_TOTALS, period).mappings().one()
    verdicts = connection.execute(_VERDICTS, period)
    stages = connection.execute(_STAGES, period)
    return PeriodFigures(
        **totals,
        verdicts={row.verdict: row.analyses for row in verdicts},
        stage_seconds={row.stage: row.seconds for row in stages},
    )
