"""What a job's clock shows, and what moves it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from cinemill.core.job import ClaimedRun, JobState

MOST_RUNNING = 99.0
"""Percent of a job that has not completed: the last percent is its end."""


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The clock of a job as one of its runs last saw it."""

    progress: float
    """Percent of the job."""
    share: float
    """Percent of the job that what is left of the run's step is worth."""
    fraction: float
    """How much of the step (0–1) is in ``progress``."""

    def at(self, fraction: float) -> float:
        """Return the job's percentage once so much of the step (0–1) is done."""
        left = 1.0 - self.fraction
        if left <= 0.0:
            return self.progress
        gained = min(1.0, max(0.0, (fraction - self.fraction) / left))
        return max(self.progress, min(MOST_RUNNING, self.progress + self.share * gained))


def moved_progress(job: str, work: str) -> str:
    """Return the SQL of a job's percentage at the work ``{work}.done`` of ``{work}.total``.

    ``{job}`` is the row before. Work beyond what the percentage stands for moves it by its share of
    the work that was left.
    """
    return f"""
        CASE WHEN {work}.done > {job}.work_done AND {work}.total > {job}.work_done
        THEN greatest({job}.progress, least({MOST_RUNNING}, {job}.progress
             + (100 - {job}.progress) * ({work}.done - {job}.work_done)
               / ({work}.total - {job}.work_done)))
        ELSE {job}.progress END"""


def share_left(progress: float, *, own: float, done: float, total: float) -> float:
    """Return the percent of the job that ``own`` work is worth of what is left of ``total``."""
    return (100.0 - progress) * min(1.0, own / (total - done)) if total > done else 0.0


# The steps are read as of the statement's beginning, so that a sibling's progress of this very
# moment may be missing: the work that counts never falls here.
_NOTE = f"""
WITH taken AS (
    SELECT * FROM job WHERE id = :job_id AND state = 'running' AND cancel_requested_at IS NULL
    FOR NO KEY UPDATE SKIP LOCKED
), noted AS (
    UPDATE step SET progress = greatest(step.progress, :fraction), seconds = :seconds FROM taken
    WHERE step.id = :step_id AND step.state = 'running' AND EXISTS
          (SELECT FROM run WHERE run.id = :run_id AND token = :token AND run.state = 'running')
    RETURNING step.id
), work AS (
    SELECT coalesce(sum(weight), 0) AS total,
           coalesce(sum(weight * CASE WHEN step.id = :step_id THEN greatest(progress, :fraction)
                                 ELSE progress END), 0) AS done,
           coalesce(sum(weight) FILTER (WHERE step.id = :step_id), 0) AS own
    FROM step WHERE job_id = :job_id
)
UPDATE job SET progress = {moved_progress("taken", "work")},
       work_done = greatest(taken.work_done, work.done), message = :message,
       expected_end = CASE WHEN CAST(:left AS float8) IS NULL THEN taken.expected_end
                      ELSE clock_timestamp() + make_interval(secs => :left) END
FROM taken, work, noted WHERE job.id = taken.id
RETURNING job.progress, work.total, job.work_done AS done, work.own
"""  # noqa: S608 - made of constants


def note_progress(
    connection: Connection,
    run: ClaimedRun,
    *,
    fraction: float,
    message: str,
    seconds: float = 0.0,
    seconds_left: float | None = None,
) -> ClockReading | str | None:
    """Record how much of the run's step (0–1) is done, and the job's time left unless None.

    ``seconds`` is what the step has taken until now, by the clock of its worker.

    Returns the job's clock, or why the work must stop. Where another transaction holds the job
    nothing is noted this time, and None returned: progress can wait, and the lease, which the same
    thread renews, cannot.
    """
    values = {
        "job_id": run.job_id,
        "step_id": run.step_id,
        "run_id": run.id,
        "token": run.token,
        "fraction": fraction,
        "message": message,
        "seconds": seconds,
        "left": seconds_left,
    }
    row = connection.execute(text(_NOTE), values).first()
    if row is None:
        return _reason_to_stop(connection, run.job_id)
    own = row.own * (1.0 - fraction)
    share = share_left(row.progress, own=own, done=row.done, total=row.total)
    return ClockReading(row.progress, share, fraction)


def _reason_to_stop(connection: Connection, job_id: str) -> str | None:
    row = connection.execute(
        text("SELECT state, cancel_requested_at, cancel_reason FROM job WHERE id = :id"),
        {"id": job_id},
    ).first()
    if row is None:
        return "the job was deleted"
    if row.cancel_requested_at is not None:
        return row.cancel_reason or "cancelled"
    return "another step of the job failed" if JobState(row.state).is_final else None


@dataclass(frozen=True, slots=True)
class StatedTime:
    """The time left as it was last noted."""

    seconds_left: float | None
    """What is left of it by now; None where none is stated."""
    clock: float
    """What the database's clock showed, in Unix seconds."""


def read_stated_time(connection: Connection, job_id: str) -> StatedTime:
    """Return the time left as last noted, which has passed on since."""
    query = text(
        """
        SELECT extract(epoch FROM expected_end - clock.now)::float8 AS seconds_left,
               extract(epoch FROM clock.now)::float8 AS clock
        FROM (SELECT clock_timestamp() AS now) AS clock LEFT JOIN job ON id = :id
        """
    )
    return StatedTime(*connection.execute(query, {"id": job_id}).one())
