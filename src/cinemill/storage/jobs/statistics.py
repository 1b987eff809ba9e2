"""Counts and times over jobs, for the job service and for operators."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import Connection, text

from cinemill.core.job import Job, JobState
from cinemill.storage.jobs.job_rows import listed_columns, read_job

MOST_STUCK = 500
MOST_COUNTED = 100_000
MOST_MEASURED = 100_000
"""Jobs or attempts that a figure is made of: what it costs is bounded, however many there are."""
MEMORY_DAYS = 3
"""Older attempts may have been made by an older version."""
OUTCOME_DAYS = 7
MOST_CODES = 1000
"""Of all kinds of jobs together: packages may fail with codes of their own."""


def count_jobs(connection: Connection) -> dict[str, Any]:
    """``by_status``, ``by_type`` and ``by_queue`` (waiting runs) counts, and the ``total``."""
    by_status, by_type = Counter[str](), Counter[str]()
    # Every row is counted, so they are read once for both.
    query = text("SELECT state, kind, count(*) FROM job GROUP BY state, kind")
    for state, kind, count in connection.execute(query):
        by_status[state] += count
        by_type[kind] += count
    waiting = text("SELECT queue, count(*) FROM run WHERE state = 'queued' GROUP BY queue")
    return {
        "by_status": dict(by_status),
        "by_type": dict(by_type),
        "by_queue": {row[0]: row[1] for row in connection.execute(waiting)},
        "total": by_status.total(),
    }


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
    """Return count, average and percentiles of seconds from start to end, by kind of job.

    Of the latest ``MOST_MEASURED`` completed jobs.
    """
    rows = connection.execute(
        text(
            """
            SELECT kind, count(*) AS count, avg(seconds) AS average_seconds,
                   percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50_seconds,
                   percentile_cont(0.9) WITHIN GROUP (ORDER BY seconds) AS p90_seconds,
                   percentile_cont(0.99) WITHIN GROUP (ORDER BY seconds) AS p99_seconds
            FROM (SELECT kind, extract(epoch FROM finished_at - started_at)::float8 AS seconds
                  FROM job WHERE finished_at IS NOT NULL AND state = 'completed'
                    AND started_at IS NOT NULL
                  ORDER BY finished_at DESC LIMIT :limit) AS done
            GROUP BY kind
            """
        ),
        {"limit": MOST_MEASURED},
    ).mappings()
    return {row["kind"]: {name: row[name] for name in row if name != "kind"} for row in rows}


def measure_memory(connection: Connection) -> dict[str, dict[str, float]]:
    """Return count, median and largest bytes of recent attempts' peak memory, by kind of step.

    Attempts that did not report it are not counted, nor more than the latest ``MOST_MEASURED``.
    """
    rows = connection.execute(
        text(
            """
            SELECT kind, count(*) AS count,
                   percentile_cont(0.5) WITHIN GROUP (ORDER BY peak_memory_bytes) AS p50_bytes,
                   max(peak_memory_bytes) AS max_bytes
            FROM (SELECT kind, peak_memory_bytes FROM run WHERE peak_memory_bytes IS NOT NULL
                    AND ended_at > now() - make_interval(days => :days)
                  ORDER BY ended_at DESC LIMIT :limit) AS recent
            GROUP BY kind
            """
        ),
        {"days": MEMORY_DAYS, "limit": MOST_MEASURED},
    ).mappings()
    return {row["kind"]: {name: row[name] for name in row if name != "kind"} for row in rows}


def count_outcomes(connection: Connection) -> dict[str, dict[str, Any]]:
    """Return how jobs ended that ended in the last days, by kind: the latest ``MOST_MEASURED``.

    ``completed``, ``failed`` and ``cancelled`` are counts; ``completion_rate``, 0 to 1, is the
    share of the completed among those that were not cancelled, None where there are none;
    ``failures`` counts the failed by their code, the most frequent first.
    """
    rows = connection.execute(
        text(
            """
            SELECT kind, state, failure ->> 'code' AS code, count(*) AS count
            FROM (SELECT kind, state, failure FROM job
                  WHERE finished_at > now() - make_interval(days => :days)
                  ORDER BY finished_at DESC LIMIT :most) AS recent
            GROUP BY kind, state, code ORDER BY count(*) DESC, kind, state, code LIMIT :limit
            """
        ),
        {"days": OUTCOME_DAYS, "limit": MOST_CODES, "most": MOST_MEASURED},
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


# Each state by itself, so that an index has the oldest of each in order. A job that is not due yet,
# or waits for another, is not stuck; of those that wait, the few that are found are looked up.
_STUCK = """
    SELECT id, queued_at FROM job WHERE state = '{state}'
      AND queued_at < calendar_time() - make_interval(secs => :age)
      AND (due_at IS NULL OR due_at < calendar_time() - make_interval(secs => :age))
      AND (SELECT job_id FROM job_wait WHERE job_id = job.id) IS NULL
    ORDER BY queued_at LIMIT :limit
"""
_ALL_STUCK = f"({_STUCK.format(state='pending')}) UNION ALL ({_STUCK.format(state='running')})"


def count_stuck(connection: Connection, *, hours: float) -> int:
    """Return how many jobs :func:`list_stuck` would list if it listed ``MOST_COUNTED``."""
    query = text(f"SELECT count(*) FROM ({_ALL_STUCK}) AS stuck")  # noqa: S608 - made of constants
    counted = connection.execute(query, {"age": hours * 3600, "limit": MOST_COUNTED})
    return min(MOST_COUNTED, int(counted.scalar_one()))


def list_stuck(connection: Connection, *, hours: float, limit: int = MOST_STUCK) -> list[Job]:
    """Jobs that have been pending or running for longer than so many hours: the oldest, first.

    As in a list, what is too large is left out.
    """
    rows = connection.execute(
        text(
            f"""
            WITH stuck AS MATERIALIZED (
                SELECT id FROM ({_ALL_STUCK}) AS found ORDER BY queued_at LIMIT :limit)
            SELECT {listed_columns()} FROM stuck JOIN job ON job.id = stuck.id
            ORDER BY job.queued_at
            """  # noqa: S608 - made of constants
        ),
        {"age": hours * 3600, "limit": limit},
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


def count_waiting(connection: Connection) -> dict[str, int]:
    """Return how many jobs have not begun, by kind."""
    rows = connection.execute(
        text("SELECT kind, count(*) AS jobs FROM job WHERE state = 'pending' GROUP BY kind")
    )
    return {row.kind: row.jobs for row in rows}
