"""Steps whose dependencies are met: they get a run, in their place among the job's own."""

from __future__ import annotations

from sqlalchemy import Connection, text

from cinemill.storage.jobs.channels import READY_CHANNEL

CROWD = {"no_crowd": 4, "crowd_seconds": 5.0}
"""The first steps of a job that become ready at once are queued like any others. Each further one
is queued as if it had become ready so many seconds after the one before: a short job that arrives
meanwhile does not wait for all of a long video, nor the long video for all short ones."""


def queue_ready_steps(connection: Connection, job_id: str) -> int:
    """Give every waiting step without open dependencies a run, and notify. Returns how many."""
    row = connection.execute(
        text(
            """
            WITH ready AS (
                UPDATE step SET state = 'queued'
                WHERE job_id = :job_id AND state = 'waiting' AND deps_remaining = 0
                RETURNING id, position, kind, queue, hardware, attempts
            ), queued AS (
                INSERT INTO run (id, step_id, job_id, owner, kind, queue, hardware, priority,
                                 attempt, is_crowd, turn_at)
                SELECT make_id(), ready.id, job.id, job.owner, ready.kind,
                       ready.queue, ready.hardware, job.priority, ready.attempts + 1,
                       ready.place > :no_crowd, clock_timestamp()
                           + make_interval(secs => :crowd_seconds
                                                   * greatest(0, ready.place - :no_crowd))
                FROM (SELECT *, row_number() OVER (ORDER BY position) AS place FROM ready)
                     AS ready JOIN job ON job.id = :job_id
                RETURNING id
            )
            SELECT count(*), CASE WHEN count(*) > 0 THEN pg_notify(:channel, '') END FROM queued
            """
        ),
        {"job_id": job_id, "channel": READY_CHANNEL, **CROWD},
    ).one()
    return int(row[0])
