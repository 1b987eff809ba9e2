"""The beginning and life of an attempt: the claim, and the heartbeat.

Every statement that changes a run under way carries the claim's token and expects its state, which
is the fence; the process that closes crashed runs decides when a lease has run out. The job's lock
is always taken first.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from cinemill.core.job import ClaimedRun
from cinemill.storage.jobs.channels import READY_CHANNEL, notify
from cinemill.storage.jobs.job_clock.readings import moved_progress, share_left

CLAIM_LOCK_SECONDS = 0.25
"""How long a claim waits for a job that another transaction has locked: a sibling's commit takes
milliseconds, and for anything longer the worker has other messages to take."""
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 5.0
"""Until a run whose job was locked is offered again."""

# One statement, for each is a way to the server and back in a time in which the work could run.
# The job is locked before its run, as everywhere. The relay is notified only where something waits
# for the place that this claim frees in its window; asked in the index's order, else the planner
# may read all the runs that ever were.
# Its patience for locks is set on the way: the job's id, which is read before its row is locked, is
# read through it.
_CLAIM = f"""
WITH patience AS MATERIALIZED (
    SELECT set_config('lock_timeout', :lock_milliseconds, true) AS milliseconds
), locked AS (
    SELECT * FROM job WHERE id = (
        SELECT job_id FROM run CROSS JOIN patience WHERE id = :id AND milliseconds IS NOT NULL
          AND (state = 'queued' OR state = 'running' AND token = :token)) FOR UPDATE
), claimed AS (
    UPDATE run SET state = 'running', token = :token, worker = :worker,
           started_at = clock_timestamp(),
           lease_until = clock_timestamp() + make_interval(secs => :lease)
    FROM locked
    WHERE run.id = :id AND locked.state IN ('pending', 'running')
      AND locked.cancel_requested_at IS NULL
      AND (locked.expires_at IS NULL OR locked.started_at IS NOT NULL
           OR locked.expires_at > clock_timestamp())
      AND (run.state = 'queued' AND run.delay_ends IS NULL
           OR run.state = 'running' AND run.token = :token)
    RETURNING run.step_id, run.attempt, run.queue
), started AS (
    UPDATE step SET state = 'running', attempts = claimed.attempt,
           started_at = coalesce(step.started_at, clock_timestamp())
    FROM claimed WHERE step.id = claimed.step_id
    RETURNING step.id, step.name, step.kind, step.params, step.progress AS fraction, step.seconds,
              claimed.attempt, claimed.queue
), surroundings AS (
    SELECT coalesce(sum(weight), 0) AS total, coalesce(sum(weight * step.progress), 0) AS done,
           coalesce(sum(weight) FILTER (WHERE step.id = started.id), 0) AS own,
           coalesce(
               jsonb_object_agg(step.name, coalesce(step.result, '{{}}')) FILTER (WHERE step.id IN
                   (SELECT depends_on FROM step_dependency WHERE step_id = started.id)),
               '{{}}') AS inputs
    FROM step JOIN locked ON step.job_id = locked.id CROSS JOIN started
), noted AS (
    UPDATE job SET state = 'running', worker = :worker, stage = started.name,
           started_at = coalesce(job.started_at, clock_timestamp()), message = 'Working',
           progress = {moved_progress("locked", "surroundings")},
           work_done = greatest(locked.work_done, surroundings.done)
    FROM started, locked, surroundings WHERE job.id = locked.id
    RETURNING job.progress, job.work_done, CASE WHEN (
        SELECT owner FROM run
        WHERE queue = started.queue AND state = 'queued' AND published_at IS NULL
          AND delay_ends IS NULL
        ORDER BY priority DESC LIMIT 1) IS NOT NULL THEN pg_notify(:channel, '') END
)
SELECT started.id AS step_id, started.name, started.kind, started.params, started.attempt,
       locked.id AS job_id, locked.kind AS job_kind, locked.owner, locked.asset_id,
       locked.params AS job_params, locked.filename, locked.time_limit_seconds,
       started.fraction, started.seconds,
       noted.progress, noted.work_done AS done, surroundings.total, surroundings.own,
       surroundings.inputs,
       extract(epoch FROM locked.expected_end - clock_timestamp())::float8 AS seconds_left
FROM started, locked, noted, surroundings
"""  # noqa: S608 - made of constants


def claim(
    connection: Connection, run_id: str, *, token: str, worker: str, lease_seconds: float
) -> ClaimedRun | None:
    """Take a queued run, or None where it is taken, over, cancelled or not due yet.

    With it comes what the step finds: the results of its parents, and its place in the progress.
    The same token again takes the same run again: the first response may have been lost.
    Raises LockTimeout, after a quarter of a second, where another transaction holds its rows.
    """
    values = {
        "id": run_id,
        "token": token,
        "worker": worker,
        "lease": lease_seconds,
        "lock_milliseconds": f"{CLAIM_LOCK_SECONDS * 1000:.0f}",
        "channel": READY_CHANNEL,
    }
    row = connection.execute(text(_CLAIM), values).mappings().first()
    if row is None:
        return None
    own = row["own"] * (1.0 - row["fraction"])
    share = share_left(row["progress"], own=own, done=row["done"], total=row["total"])
    return ClaimedRun(
        id=run_id,
        token=token,
        job_id=row["job_id"],
        job_kind=row["job_kind"],
        step_id=row["step_id"],
        step_name=row["name"],
        step_kind=row["kind"],
        owner=row["owner"],
        asset_id=row["asset_id"],
        attempt=row["attempt"],
        params=row["params"],
        job_params=row["job_params"],
        inputs=row["inputs"],
        progress_base=row["progress"],
        progress_share=share,
        fraction_kept=row["fraction"],
        seconds_kept=row["seconds"],
        seconds_left=row["seconds_left"],
        filename=row["filename"],
        time_limit_seconds=row["time_limit_seconds"],
    )


def put_off(connection: Connection, run_id: str) -> bool:
    """Have a queued run whose job is locked offered again soon, each time a little later.

    Touches the run alone. False, with nothing changed, where it is locked as well (it is sent again
    later as a lost message) or not queued any more.
    """
    changed = connection.execute(
        text(
            """
            UPDATE run SET published_at = NULL, delay_ends = '-Infinity',
                   run_at = clock_timestamp() + make_interval(secs => wait.seconds),
                   delay_seconds = wait.seconds
            FROM (SELECT id, least(:longest, :first * power(2, least(publish_count, 10)))::float8
                         AS seconds
                  FROM run WHERE id = :id AND state = 'queued' FOR UPDATE SKIP LOCKED) AS wait
            WHERE run.id = wait.id
            """
        ),
        {"id": run_id, "first": FIRST_DELAY_SECONDS, "longest": LONGEST_DELAY_SECONDS},
    ).rowcount
    if changed:
        notify(connection, READY_CHANNEL, "")  # the delay counts from when the relay sees it
    return changed == 1


def require_writable_runs(connection: Connection) -> None:
    """Wait until no lock of the whole table keeps leases from being renewed. Raises LockTimeout."""
    connection.execute(text("LOCK TABLE run IN ROW EXCLUSIVE MODE"))


def renew_lease(connection: Connection, run: ClaimedRun, *, lease_seconds: float) -> bool:
    """Renew the lease; return False where another process has closed the run: then drop the work.

    An expired lease is renewed too, as long as nobody has closed the run for it: what counts is
    that its worker lives. Takes the run's lock and no other: to touch the job here would be the
    wrong order of locks.
    """
    renewed = connection.execute(
        text(
            """
            UPDATE run SET lease_until = clock_timestamp() + make_interval(secs => :lease)
            WHERE id = :id AND token = :token AND state = 'running'
            """
        ),
        {"id": run.id, "token": run.token, "lease": lease_seconds},
    ).rowcount
    return renewed == 1


def is_run(connection: Connection, run_id: str) -> bool:
    """Return whether a run of this id is or was there."""
    row = connection.execute(text("SELECT 1 FROM run WHERE id = :id"), {"id": run_id}).first()
    return row is not None


def list_former_tokens(connection: Connection, step_id: str) -> list[str]:
    """Return the tokens of the step's attempts that are over."""
    query = text("SELECT token FROM run WHERE step_id = :id AND state <> 'running' AND token <> ''")
    return [row.token for row in connection.execute(query, {"id": step_id})]


def is_live_token(connection: Connection, token: str) -> bool:
    """Check whether a run of this token is under way: its work folder must stay."""
    row = connection.execute(
        text("SELECT 1 FROM run WHERE token = :token AND state = 'running'"), {"token": token}
    ).first()
    return row is not None
