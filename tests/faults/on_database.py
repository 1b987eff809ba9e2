"""Faults of a running PostgreSQL: a row or table locked by another session, a server that pauses.

Generators, as in ``on_workers``.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from sqlalchemy import NullPool, create_engine, text
from tests.faults.cluster import freeze
from tests.faults.context import Fault, FaultContext
from tests.faults.invariants import AFTERWARDS_SECONDS
from tests.faults.on_servers import SERVERS
from tests.faults.submitter import Submission
from tests.faults.waits import await_ended, await_idle, reach

BURST = 12
"""Very short jobs, so that workers claim while the fault begins."""
SERVED = "served after a fault"
_LAST_END = """
SELECT coalesce(max(extract(epoch FROM coalesce(finished_at, clock_timestamp()))), 0)::float8
    AS ended_at
FROM job WHERE id = ANY(:ids)
  AND NOT EXISTS (SELECT FROM run WHERE run.job_id = job.id AND run.state = 'crashed')
"""
"""Jobs whose worker was killed meanwhile are left out, since that is another fault."""


def row_locked(context: FaultContext) -> Fault:
    """Lock a job's row in another session for two leases, while it runs and as it ends.

    No other job may be delayed, and the run itself loses nothing.
    """
    yield from await_idle(context, *SERVERS)
    lease_seconds = context.cluster.plan.lease_seconds
    with context.reserve("postgres"):
        submission = Submission("drill_work_job", {"seconds": 1.5 * lease_seconds})
        job_id = context.submitter.submit(submission, priority=10)
        context.locked.add(job_id)
        if not (yield from reach(context, job_id, "running")):
            return
        with locked(context, "SELECT FROM job WHERE id = :id FOR UPDATE", id=job_id):
            at = context.history.write("lock_row", job=job_id)
            probes = _submit_burst(context)
            yield 2 * lease_seconds
            free_at = context.history.write("unlock_row", job=job_id)
            yield from expect_served(context, probes, "others while a row is locked", at)
        yield from expect_served(context, [job_id], "row unlocked to done", free_at)
        context.locked.discard(job_id)


def table_locked(context: FaultContext) -> Fault:
    """Lock the table of all runs in another session for most of a lease."""
    yield from await_idle(context, *SERVERS)
    with context.reserve("postgres"):
        probes = _submit_burst(context)
        with context.lease_reset(), locked(context, "LOCK TABLE run IN ACCESS EXCLUSIVE MODE"):
            context.history.write("lock_table")
            # No yield: other faults could not query the database.
            time.sleep(0.8 * context.cluster.plan.lease_seconds)
        free_at = context.history.write("unlock_table")
        yield from expect_served(context, probes, "table unlocked to done", free_at)


def postgres_paused(context: FaultContext) -> Fault:
    """Freeze every process of PostgreSQL for most of a lease, then for longer than one."""
    for share in (0.85, 1.5):
        yield from await_idle(context, *SERVERS)
        with context.reserve("postgres"):
            probes = _submit_burst(context)
            with context.lease_reset():
                server = psutil.Process(context.cluster.servers.postgres.pid)
                context.history.write("pause_postgres", share=share)
                pause(server, share * context.cluster.plan.lease_seconds)
            back = context.history.write("resume_postgres")
            yield from expect_served(context, probes, "PostgreSQL resumed to done", back)


def pause(server: psutil.Process, seconds: float) -> None:
    """Freeze a server and all its processes, and let them continue.

    The parent is frozen first, since it could start another process meanwhile.
    """
    freeze([server])
    below = server.children(recursive=True)
    freeze(below)
    try:
        time.sleep(seconds)
    finally:
        for process in (*below, server):
            process.send_signal(signal.SIGCONT)


@contextmanager
def locked(context: FaultContext, statement: str, **values: object) -> Iterator[None]:
    """Keep the statement's locks until the block ends, in a session without our timeouts."""
    engine = create_engine(context.cluster.servers.database_url, poolclass=NullPool)
    with engine.connect() as stranger:
        stranger.execute(text(statement), values)
        yield
        stranger.rollback()


def _submit_burst(context: FaultContext) -> list[str]:
    submission = Submission("drill_work_job", {"seconds": 0.1})
    return [context.submitter.submit(submission, priority=9) for _ in range(BURST)]


def expect_served(context: FaultContext, jobs: list[str], name: str, since: float) -> Fault:
    limit = context.cluster.plan.lease_seconds + AFTERWARDS_SECONDS
    yield from await_ended(context, jobs)
    ended_at = context.queries.fetch(_LAST_END, ids=jobs)[0]["ended_at"]
    if not ended_at:
        return  # all of them were hit by another fault
    seconds = max(0.0, ended_at - since)
    context.measure(name, seconds)
    context.expect(
        SERVED,
        holds=seconds <= limit,
        otherwise=f"{name}: {seconds:.1f} s, at most {limit:.0f} ({jobs})",
    )
