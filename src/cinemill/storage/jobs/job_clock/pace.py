"""What a job's steps have taken, and what steps take in jobs like it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

SIMILAR_JOBS = 10
"""The latest completed ones of the same kind are what a step is expected to take by."""
ENDED_JOBS_SEARCHED = 500
"""The latest of all kinds, in which similar ones are looked for."""


@dataclass(frozen=True, slots=True)
class StepWork:
    """A step as far as its job's end depends on it."""

    id: str
    kind: str
    weight: float
    fraction: float
    """How much of it is done, 0–1."""
    is_done: bool
    is_running: bool
    seconds: float
    """That it had taken by its worker's clock when its progress was noted; 0 where unknown."""
    after: tuple[str, ...]
    """Ids of the steps that must succeed first."""


_LIST_WORK = """
SELECT step.id, step.kind, step.weight, step.progress AS fraction, step.seconds,
       step.state = 'succeeded' AS is_done, step.state = 'running' AS is_running,
       CASE WHEN step.state IN ('waiting', 'queued')
            THEN ARRAY(SELECT depends_on FROM step_dependency WHERE step_id = step.id)
            ELSE '{}' END AS after
FROM step WHERE step.job_id = :id ORDER BY step.position
"""


def list_work(connection: Connection, job_id: str) -> Sequence[StepWork]:
    """Return the job's steps in their order, each after those that it waits for."""
    rows = connection.execute(text(_LIST_WORK), {"id": job_id})
    return [
        StepWork(
            id=row.id,
            kind=row.kind,
            weight=row.weight,
            fraction=row.fraction,
            is_done=row.is_done,
            is_running=row.is_running,
            seconds=row.seconds,
            after=tuple(row.after),
        )
        for row in rows
    ]


def measure_similar(connection: Connection, job_kind: str) -> Mapping[str, float]:
    """Return the median seconds of each kind of step in the latest completed jobs of this kind."""
    rows = connection.execute(
        text(
            """
            SELECT step.kind,
                   percentile_cont(0.5::float8) WITHIN GROUP (ORDER BY step.seconds) AS seconds
            FROM (SELECT id FROM (
                      SELECT id, kind, state, finished_at FROM job WHERE finished_at IS NOT NULL
                      ORDER BY finished_at DESC LIMIT :searched) AS ended
                  WHERE kind = :kind AND state = 'completed'
                  ORDER BY finished_at DESC LIMIT :most) AS similar_job
            JOIN step ON step.job_id = similar_job.id
            WHERE step.state = 'succeeded' AND step.seconds > 0
            GROUP BY step.kind
            """
        ),
        {"kind": job_kind, "most": SIMILAR_JOBS, "searched": ENDED_JOBS_SEARCHED},
    )
    return {row.kind: float(row.seconds) for row in rows}
