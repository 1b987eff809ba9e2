"""A batch whose cancel is cut short: by a kill of whoever cancels it, or of who submits it.

Generators, as in ``on_workers``.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException

from tests.faults.context import Fault, FaultContext
from tests.faults.invariants import AFTERWARDS_SECONDS
from tests.faults.on_database import SERVED
from tests.faults.on_jobs import CANCELLED
from tests.faults.on_servers import SERVERS, await_api, connect_api
from tests.faults.submitter import Submission
from tests.faults.waits import POLL_SECONDS, await_idle, await_name, await_ready, reach

_FAMILY = "FROM job WHERE (id = :id OR parent_id = :id)"


def batch_cancel_cut(context: FaultContext) -> Fault:
    """Cancel batches while the process that cancels, or the one that submits, is killed.

    Nobody cancels a second time unless the first request was never accepted.
    """
    for cut in (_die_after_commit, _kill_api, _kill_worker):
        yield from await_idle(context, *SERVERS, "api")
        with context.reserve("postgres", "api"):
            yield from _cancel_and_cut(context, cut)


def _cancel_and_cut(context: FaultContext, cut: Callable[[FaultContext, str], Fault]) -> Fault:
    job_id = context.submitter.submit(Submission("drill_family_job", {}, CANCELLED), priority=10)
    wanted = 1 if cut is _kill_worker else 4
    children = f"SELECT count(*) {_FAMILY} AND id <> :id"
    if not (yield from reach(context, job_id, "running")):
        return
    deadline = time.monotonic() + 60.0
    while context.queries.count(children, id=job_id) < wanted and time.monotonic() < deadline:
        yield POLL_SECONDS
    yield from cut(context, job_id)
    if not context.queries.count(
        f"SELECT count(*) {_FAMILY} AND cancel_requested_at > 'epoch'", id=job_id
    ):
        context.submitter.cancel(job_id)  # the request was cut before it was accepted
    yield from _expect_cancelled(context, job_id, cut.__name__.strip("_"))


def _expect_cancelled(context: FaultContext, job_id: str, how: str) -> Fault:
    """Expect that the batch and all it has submitted are cancelled within a lease and 10 s."""
    since = time.time()
    limit = context.cluster.plan.lease_seconds + AFTERWARDS_SECONDS
    left = f"SELECT count(*) {_FAMILY} AND finished_at IS NULL"
    while context.queries.count(left, id=job_id) and time.time() < since + 4 * limit:
        yield POLL_SECONDS
    seconds = time.time() - since
    context.measure("batch's cancel cut to all cancelled", seconds)
    context.expect(
        SERVED,
        holds=seconds <= limit,
        otherwise=f"batch {job_id}, {how}: {seconds:.1f} s, at most {limit:.0f}",
    )
    other = context.queries.count(f"SELECT count(*) {_FAMILY} AND state <> 'cancelled'", id=job_id)
    context.expect(
        "cancelled leaves nothing",
        holds=other == 0,
        otherwise=f"{other} jobs of batch {job_id} were not cancelled ({how})",
    )


def _die_after_commit(context: FaultContext, job_id: str) -> Fault:
    """Cancel in a process that is killed as soon as the batch's own cancel is committed."""
    command = [sys.executable, "-m", "tests.faults.drill_worker", "cancel", job_id]
    done = subprocess.run(
        command, env=context.cluster.environment, capture_output=True, check=False
    )
    context.history.write("cancel_cut", job=job_id, how="process killed")
    was_killed = done.returncode == -signal.SIGKILL
    context.expect("right states", holds=was_killed, otherwise=f"canceller: {done.stderr!r}")
    yield 0.0


def _kill_api(context: FaultContext, job_id: str) -> Fault:
    """Kill the API at a random moment of its request to cancel."""
    api = context.cluster.parts["api"]
    connection = connect_api(context)
    body = json.dumps({"reason": "the drill cancels it"})
    headers = {"Content-Type": "application/json"}
    with suppress(OSError, HTTPException):
        connection.request("POST", f"/api/v1/jobs/{job_id}/cancel", body, headers)
    time.sleep(context.random.uniform(0.0, 0.1))
    api.kill()
    connection.close()
    context.history.write("cancel_cut", job=job_id, how="API killed")
    api.start()
    yield from await_api(context)


def _kill_worker(context: FaultContext, job_id: str) -> Fault:
    """Cancel while a worker submits the children, and kill that worker."""
    run = context.queries.runs_of(job_id)[-1]
    part = context.cluster.find_worker(int(str(run["worker"]).rpartition(":")[2]))
    if part is None or part.name in context.busy:
        context.submitter.cancel(job_id)
        return
    yield from await_name(context, part.name)
    with context.reserve(part.name):
        runs, tree = context.runs_on(part), part.tree()
        context.submitter.cancel(job_id)
        at = context.history.write("kill_tree", part=part.name, runs=[one.id for one in runs])
        part.kill()
        context.worker_kills += 1
        context.record_kill(
            [one for one in runs if one.job_id != job_id], at, "cancel of a batch cut"
        )
        yield from context.await_exit(tree, "worker of a cancelled batch killed")
        part.start()
        yield from await_ready(context, part)
