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
from tests.faults.cluster import Part, freeze
from tests.faults.context import Fault, FaultContext
from tests.faults.invariants import AFTERWARDS_SECONDS
from tests.faults.on_servers import SERVERS
from tests.faults.submitter import Submission
from tests.faults.waits import (
    POLL_SECONDS,
    REACH_SECONDS,
    await_ended,
    await_idle,
    await_name,
    await_ready,
    reach,
)
from tests.poolers import PGBOUNCER, Pooler, prepare_pooler

BURST = 12
"""Very short jobs, so that workers claim while the fault begins."""
FLAKY = 3
CLOCK_STEP_SECONDS = 7200.0
POOLED_WORKER = "w2"
DOWN_SECONDS = 2.0
STOP_SECONDS = 20.0
SERVED = "served after a fault"
_WAITING = """
SELECT count(*) FROM job WHERE id = ANY(:ids) AND finished_at IS NULL
  AND NOT EXISTS (SELECT FROM run WHERE run.job_id = job.id AND run.state = 'crashed')
"""
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


def database_clock_stepped(context: FaultContext) -> Fault:
    """Set the clock of the database's machine forward, right, back, and right again.

    Each time work is due at once, work is tried again after a delay, and workers are at work whose
    leases were written before. What happens is timed by the drill's own clock.
    """
    clock = context.cluster.database_clock
    if clock is None:
        context.skipped["database_clock_stepped"] = "libfaketime is not installed"
        return
    for ahead_seconds in (CLOCK_STEP_SECONDS, -CLOCK_STEP_SECONDS):
        yield from await_idle(context, *SERVERS)
        with context.reserve("postgres"):
            probes = _submit_burst(context, and_flaky=True)
            yield 0.3
            began = context.history.write("step_clock", ahead_seconds=ahead_seconds)
            clock.set(ahead_seconds)
            probes += _submit_burst(context, and_flaky=True)
            try:
                yield from _expect_served_meanwhile(context, probes, "clock stepped to done")
                probes = _submit_burst(context, and_flaky=True)
            finally:
                clock.set(0.0)
                at = context.history.write("step_clock", ahead_seconds=0)
                context.clock_steps.append((began, at, ahead_seconds))
            probes += _submit_burst(context, and_flaky=True)
            yield from _expect_served_meanwhile(context, probes, "clock set right to done")


def _expect_served_meanwhile(context: FaultContext, jobs: list[str], name: str) -> Fault:
    began = time.monotonic()
    while context.queries.count(_WAITING, ids=jobs) and time.monotonic() - began < REACH_SECONDS:
        yield POLL_SECONDS
    _expect_in_time(context, jobs, name, time.monotonic() - began)


def pooler(context: FaultContext) -> Fault:
    """Run one worker through PgBouncer in transaction mode, and freeze and kill the pooler.

    Everything must be served within a lease and ten seconds after each.
    """
    if PGBOUNCER is None:
        context.skipped["pooler"] = "pgbouncer is not installed"
        return
    part = context.cluster.parts[POOLED_WORKER]
    yield from await_idle(context, *SERVERS)
    yield from await_name(context, part.name)
    with context.reserve("postgres", part.name):
        url = context.cluster.servers.database_url
        between = prepare_pooler(context.cluster.folder / "pooler", url, size=4)
        between.start()
        try:
            yield from _restart(context, part, DATABASE_URL=between.url, DATABASE_DIRECT_URL=url)
            for name, seconds in (
                ("frozen", 0.85 * context.cluster.plan.lease_seconds),
                ("frozen", 1.5 * context.cluster.plan.lease_seconds),
                ("killed", DOWN_SECONDS),
            ):
                yield from _break_pooler(context, between, name, seconds)
        finally:
            yield from _restart(context, part)
            between.kill()


def _break_pooler(context: FaultContext, between: Pooler, name: str, seconds: float) -> Fault:
    part = context.cluster.parts[POOLED_WORKER]
    probes = _submit_burst(context, seconds=1.0)
    yield 0.5  # so that some are being claimed, worked on and recorded through it
    with context.outage():
        runs = context.runs_on(part)
        at = context.history.write("pooler", how=name, runs=[run.id for run in runs])
        context.record_kill(runs, at, "pooler")
        context.affected_pids.update(child.pid for child in part.children())
        if name == "frozen":
            between.freeze()
            yield seconds
            between.thaw()
        else:
            between.kill()
            yield seconds
            between.start()
        back = context.history.write("pooler_back")
        context.cuts.append((at, back))
    yield from expect_served(context, probes, f"pooler {name} to done", back)


def _restart(context: FaultContext, part: Part, **more: str) -> Fault:
    """Restart a part in order, with more settings for this time."""
    context.affected_pids.update(child.pid for child in part.children())
    part.stop(STOP_SECONDS)
    part.start(**more)
    yield from await_ready(context, part)


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


def _submit_burst(
    context: FaultContext, *, seconds: float = 0.1, and_flaky: bool = False
) -> list[str]:
    """Submit very short jobs; flaky ones are tried again after a second."""
    submissions = [Submission("drill_work_job", {"seconds": seconds})] * BURST
    if and_flaky:
        submissions += [Submission("drill_flaky_job", {"failures": 1})] * FLAKY
    return [context.submitter.submit(submission, priority=9) for submission in submissions]


def expect_served(context: FaultContext, jobs: list[str], name: str, since: float) -> Fault:
    yield from await_ended(context, jobs)
    ended_at = context.queries.fetch(_LAST_END, ids=jobs)[0]["ended_at"]
    if not ended_at:
        return  # all of them were hit by another fault
    _expect_in_time(context, jobs, name, max(0.0, ended_at - since))


def _expect_in_time(context: FaultContext, jobs: list[str], name: str, seconds: float) -> None:
    limit = context.cluster.plan.lease_seconds + AFTERWARDS_SECONDS
    context.measure(name, seconds)
    context.expect(
        SERVED,
        holds=seconds <= limit,
        otherwise=f"{name}: {seconds:.1f} s, at most {limit:.0f} ({jobs})",
    )
