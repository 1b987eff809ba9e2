"""Cancellation at every stage, limits, and poison: work that kills its own worker.

Generators, as in ``on_workers``.
"""

from __future__ import annotations

import time
from collections.abc import Generator

import psutil
from tests.faults.context import Fault, FaultContext
from tests.faults.submitter import Submission, failing
from tests.faults.waits import REACH_SECONDS, await_name, await_ready, reach

CANCELLED = frozenset({"cancelled"})
EITHER = frozenset({"cancelled", "completed"})
POLL_SECONDS = 0.05
RETRIES_OF_POISON = 1


def cancel_at_every_stage(context: FaultContext) -> Fault:
    """Cancel jobs that are queued, published, just claimed, in FFmpeg, and in the commit."""
    yield from _cancel_queued(context)
    yield from _cancel_published(context)
    yield from _cancel_claimed(context)
    yield from _cancel_in_ffmpeg(context)
    yield from _cancel_in_commit(context)


def cancel_after_restart(context: FaultContext) -> Fault:
    """Cancel a job after its worker was killed and before another one runs; it stays cancelled."""
    endless = Submission(
        "drill_encode_job", {"seconds": 600}, CANCELLED
    )  # however long the others take
    job_id = context.submitter.submit(endless, priority=10)
    if not (yield from reach(context, job_id, "running")):
        return
    run = context.queries.runs_of(job_id)[-1]
    part = context.cluster.find_worker(int(str(run["worker"]).rpartition(":")[2]))
    if part is None or part.name in context.busy:
        context.submitter.cancel(job_id)
        return
    yield from await_name(context, part.name)
    with context.reserve(part.name):
        runs, tree = context.runs_on(part), part.tree()
        at = context.history.write("kill_tree", part=part.name, runs=[run.id for run in runs])
        part.kill()
        context.worker_kills += 1
        context.record_kill(
            [run for run in runs if run.job_id != job_id], at, "cancel after restart"
        )
        context.submitter.cancel(job_id)
        yield from context.await_exit(tree, "worker of a cancelled job killed")
        part.start()
        yield from await_ready(context, part)
    yield from reach(context, job_id, "cancelled")


def time_limits(context: FaultContext) -> Fault:
    """Run an encoder that hangs, and one that never ends."""
    expected_attempts = ("failures", 1 + RETRIES_OF_POISON)
    hung = failing("drill_hung_encoder_job", "command_stalled", expected_attempts=expected_attempts)
    endless = failing(
        "drill_endless_encoder_job", "time_limit", expected_attempts=expected_attempts
    )
    jobs = [context.submitter.submit(submission) for submission in (hung, endless)]
    for job_id in jobs:
        yield from reach(context, job_id, "failed", seconds=90)
        yield from _expect_nothing_left(context, job_id, "time limit")


def poison_by_kill(context: FaultContext) -> Fault:
    """Run a job that kills its own worker process each time."""
    expected_attempts = ("crashes", context.cluster.plan.max_crashes)
    job_id = context.submitter.submit(
        failing("drill_poison_kill_job", "worker_crashed", expected_attempts=expected_attempts)
    )
    yield from reach(context, job_id, "failed", seconds=120)


def poison_by_wedge(context: FaultContext) -> Fault:
    """Run a job that stops the heartbeat of its process; only Celery's hard limit ends it."""
    expected_attempts = ("crashes", context.cluster.plan.max_crashes)
    job_id = context.submitter.submit(
        failing("drill_poison_wedge_job", "worker_crashed", expected_attempts=expected_attempts)
    )
    yield from reach(context, job_id, "failed", seconds=180)


def poison_by_memory(context: FaultContext) -> Fault:
    """Run a job that takes more memory than its queue permits."""
    expected_attempts = ("failures", 1 + RETRIES_OF_POISON)
    job_id = context.submitter.submit(
        failing("drill_poison_memory_job", "memory_limit", expected_attempts=expected_attempts)
    )
    yield from reach(context, job_id, "failed", seconds=120)


def poison_by_hanging(context: FaultContext) -> Fault:
    """Run a job that never checks whether to stop."""
    expected_attempts = ("failures", 1 + RETRIES_OF_POISON)
    job_id = context.submitter.submit(
        failing("drill_poison_hang_job", "command_stalled", expected_attempts=expected_attempts)
    )
    yield from reach(context, job_id, "failed", seconds=120)


def _cancel_queued(context: FaultContext) -> Fault:
    """Cancel before a relay has seen the job, which is one transaction and immediate."""
    submission = Submission("drill_unserved_job", {"seconds": 1}, CANCELLED)
    job_id = context.submitter.submit(submission)
    yield from _cancel(context, job_id, "queued")


def _cancel_published(context: FaultContext) -> Fault:
    """Cancel on a queue that no worker serves: the job is published and never claimed."""
    job_id = context.submitter.submit(Submission("drill_unserved_job", {"seconds": 1}, CANCELLED))
    query = "SELECT count(*) FROM run WHERE job_id = :id AND published_at IS NOT NULL"
    deadline = time.monotonic() + REACH_SECONDS
    while not context.queries.count(query, id=job_id) and time.monotonic() < deadline:
        yield POLL_SECONDS
    yield from _cancel(context, job_id, "published")


def _cancel_claimed(context: FaultContext) -> Fault:
    job_id = context.submitter.submit(
        Submission("drill_work_job", {"seconds": 30}, CANCELLED), priority=10
    )
    if (yield from reach(context, job_id, "running")):
        yield from _cancel(context, job_id, "claimed")


def _cancel_in_ffmpeg(context: FaultContext) -> Fault:
    job_id = context.submitter.submit(
        Submission("drill_encode_job", {"seconds": 60}, CANCELLED), priority=10
    )
    deadline = time.monotonic() + REACH_SECONDS
    while not _find_processes(context, job_id) and time.monotonic() < deadline:
        yield POLL_SECONDS
    yield from _cancel(context, job_id, "in FFmpeg")


def _cancel_in_commit(context: FaultContext) -> Fault:
    """Cancel while the fenced transaction is open: the job ends as one or the other, entirely."""
    job_id = yield from _catch_running(
        context, Submission("drill_slow_commit_job", {"seconds": 2}, EITHER)
    )
    yield 0.5
    context.submitter.cancel(job_id)
    deadline = time.monotonic() + REACH_SECONDS
    while context.submitter.state(job_id) not in EITHER and time.monotonic() < deadline:
        yield POLL_SECONDS


def _catch_running(context: FaultContext, submission: Submission) -> Generator[float, None, str]:
    """Submit such jobs until one is seen running, and return its id.

    While PostgreSQL is paused nobody sees anything, and a short job may run in between.
    """
    while True:
        job_id = context.submitter.submit(submission, priority=10)
        deadline = time.monotonic() + REACH_SECONDS
        while (state := context.submitter.state(job_id)) == "pending":
            if time.monotonic() > deadline:
                yield from reach(context, job_id, "running", seconds=0)
                return job_id
            yield POLL_SECONDS
        if state == "running":
            return job_id


def _cancel(context: FaultContext, job_id: str, when: str) -> Fault:
    at = time.time()
    context.expect(
        "cancelled leaves nothing",
        holds=context.submitter.cancel(job_id),
        otherwise=f"job {job_id} could not be cancelled {when}",
    )
    yield from reach(context, job_id, "cancelled")
    context.measure(f"cancel {when} to cancelled", time.time() - at)
    yield from _expect_nothing_left(context, job_id, when)


def _expect_nothing_left(context: FaultContext, job_id: str, when: str) -> Fault:
    """Expect no process of any attempt and no folder half a second after the job ended."""
    deadline = time.monotonic() + 2.0
    while (left := _find_processes(context, job_id)) and time.monotonic() < deadline:
        yield POLL_SECONDS
    pids = [process.pid for process in left]
    context.expect(
        "cancelled leaves nothing",
        holds=not left,
        otherwise=f"job {job_id} ended {when} and left processes {pids}",
    )


def _find_processes(context: FaultContext, job_id: str) -> list[psutil.Process]:
    """Return the FFmpegs of this job's attempts, by the claim's token in command line or folder."""
    tokens = [str(row["token"]) for row in context.queries.runs_of(job_id) if row["token"]]
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.cwd()]
        except psutil.Error:
            continue
        if any(token in word for token in tokens for word in words):
            found.append(process)
    return found
