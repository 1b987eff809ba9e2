"""Counts and times over jobs, for the job service and for operators."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from cinemill.core.job import Job, JobState
from cinemill.storage.jobs.job_rows import listed_columns, read_job

MOST_STUCK = 500
MEMORY_DAYS = 3
"""Older attempts may have been made by an older version."""
OUTCOME_DAYS = 7
MOST_CODES = 1000
"""Of all kinds of jobs together: packages may fail with codes of their own."""


def count_jobs(connection: Connection) -> dict[str, Any]:
    """``by_status``, ``by_type`` and ``by_queue`` (waiting runs) counts, and the ``total``."""
    by_status = _count(connection, "SELECT state, count(*) FROM job GROUP BY state")
    by_type = _count(connection, "SELECT kind, count(*) FROM job GROUP BY kind")
    by_queue = _count(
        connection, "SELECT queue, count(*) FROM run WHERE state = 'queued' GROUP BY queue"
    )
    return {
        "by_status": by_status,
        "by_type": by_type,
        "by_queue": by_queue,
        "total": sum(by_status.values()),
    }


def _count(connection: Connection, query: str) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(text(query))}


def count_machines(connection: Connection) -> int:
    """How many machines have worked within the last minutes; beat gives each something to do."""
    query = text(
        """
        SELECT count(DISTINCT split_part(worker, ':', 1)) FROM (
            SELECT worker FROM run WHERE state = 'running'
            UNION SELECT worker FROM run WHERE ended_at > now() - interval '10 minutes'
        ) AS recent
        """
    )
    return int(connection.execute(query).scalar_one())


def measure_durations(connection: Connection) -> dict[str, dict[str, float]]:
    """By kind of completed job: count, average and percentiles of seconds from start to end."""
    rows = connection.execute(
        text(
            """
            SELECT kind, count(*) AS count, avg(seconds) AS average_seconds,
                   percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50_seconds,
                   percentile_cont(0.9) WITHIN GROUP (ORDER BY seconds) AS p90_seconds,
                   percentile_cont(0.99) WITHIN GROUP (ORDER BY seconds) AS p99_seconds
            FROM (SELECT kind, extract(epoch FROM finished_at - started_at)::float8 AS seconds
                  FROM job WHERE state = 'completed' AND started_at IS NOT NULL) AS done
            GROUP BY kind
            """
        )
    ).mappings()
    return {row["kind"]: {name: row[name] for name in row if name != "kind"} for row in rows}


def measure_memory(connection: Connection) -> dict[str, dict[str, float]]:
    """Return count, median and largest bytes of recent attempts' peak memory, by kind of step.

    Attempts that did not report it are not counted.
    """
    rows = connection.execute(
        text(
            """
            SELECT kind, count(*) AS count,
                   percentile_cont(0.5) WITHIN GROUP (ORDER BY peak_memory_bytes) AS p50_bytes,
                   max(peak_memory_bytes) AS max_bytes
            FROM run WHERE peak_memory_bytes IS NOT NULL
              AND ended_at > now() - make_interval(days => :days) GROUP BY kind
            """
        ),
        {"days": MEMORY_DAYS},
    ).mappings()
    return {row["kind"]: {name: row[name] for name in row if name != "kind"} for row in rows}


def count_outcomes(connection: Connection) -> dict[str, dict[str, Any]]:
    """Return how jobs ended that ended in the last days, by kind.

    ``completed``, ``failed`` and ``cancelled`` are counts; ``completion_rate``, 0 to 1, is the
    share of the completed among those that were not cancelled, None where there are none;
    ``failures`` counts the failed by their code, the most frequent first.
    """
    rows = connection.execute(
        text(
            """
            SELECT kind, state, failure ->> 'code' AS code, count(*) AS count
            FROM job WHERE finished_at > now() - make_interval(days => :days)
            GROUP BY kind, state, code ORDER BY count(*) DESC, kind, state, code LIMIT :limit
            """
        ),
        {"days": OUTCOME_DAYS, "limit": MOST_CODES},
    ).all()
    found: dict[str, dict[str, Any]] = {}
    for kind, state, code, count in rows:
        outcome = found.setdefault(
            kind, {"completed": 0, "failed": 0, "cancelled": 0, "failures": {}}
        )
        outcome[state] += count
        if state == JobState.FAILED and code is not None:
            outcome["failures"][code] = count
    for outcome in found.values():
        ended = outcome["completed"] + outcome["failed"]
        outcome["completion_rate"] = outcome["completed"] / ended if ended else None
    return found


def list_stuck(connection: Connection, *, hours: float) -> list[Job]:
    """Jobs that have been pending or running for longer than so many hours: the oldest, first.

    As in a list, what is too large is left out.
    """
    rows = connection.execute(
        text(
            f"""
            SELECT {listed_columns()} FROM job WHERE state IN ('pending', 'running')
              AND job.queued_at < calendar_time() - make_interval(secs => :age)
            ORDER BY job.queued_at LIMIT :limit
            """  # noqa: S608 - made of constants
        ),
        {"age": hours * 3600, "limit": MOST_STUCK},
    ).mappings()
    return [read_job(row) for row in rows]


def place_in_queue(connection: Connection, job_id: str) -> int | None:
    """How many queued runs go before this job's first one; None where none of it is queued."""
    row = connection.execute(
        text(
            """
            SELECT id, queue, priority, turn FROM run
            WHERE job_id = :id AND state = 'queued' ORDER BY turn LIMIT 1
            """
        ),
        {"id": job_id},
    ).first()
    if row is None:
        return None
    ahead = connection.execute(
        text(
            """
            SELECT count(*) FROM run WHERE queue = :queue AND state = 'queued' AND id <> :id
              AND (priority > :priority OR (priority = :priority AND turn < :turn))
            """
        ),
        row._asdict(),
    ).scalar_one()
    return int(ahead)
