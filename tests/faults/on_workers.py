"""Faults of workers: killed, frozen, disconnected, stopped gracefully, a full disk, a wrong clock.

Each is a generator that yields the seconds it waits while other faults go on.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Generator
from pathlib import Path

import psutil
from tests.faults.cluster import Part
from tests.faults.context import Fault, FaultContext
from tests.faults.cuttable_proxy import CuttableProxy
from tests.faults.queries import CurrentRun
from tests.faults.submitter import Submission
from tests.faults.waits import (
    BROKER,
    POLL_SECONDS,
    await_busy,
    await_ended,
    await_free,
    await_idle,
    await_name,
    await_probe,
    await_ready,
    await_victim,
)
from tests.stepped_clock import find_faketime

STOP_SECONDS = 15.0
DISK_SECONDS = 4.0
"""Shorter than four attempts, a second and more apart, so that not all of them meet it."""
DISK_PAUSE_SECONDS = 6.0
DISK_ROUNDS = 4
"""In a busy drill it may take so many until one of our jobs writes while the disk is full."""


def worker_tree_killed(context: FaultContext) -> Fault:
    """Kill a worker's main process only; its pool and their FFmpegs must end with it."""
    part = yield from await_busy(context)
    if part is None:
        return
    with context.reserve(part.name):
        tree, runs = part.tree(), context.runs_on(part)
        at = context.history.write("kill_tree", part=part.name, runs=[run.id for run in runs])
        part.kill()
        context.worker_kills += 1
        context.record_kill(runs, at, "worker tree killed")
        yield from context.await_exit(tree, f"tree of {part.name} killed")
        part.start()
        yield from await_ready(context, part)


def pool_child_killed(context: FaultContext) -> Fault:
    """Kill one pool process at work; the worker must go on without it."""
    victim = yield from await_victim(context)
    if victim is None:
        return
    part, run = victim
    try:
        child = psutil.Process(run.pid)
        below = child.children(recursive=True)
        child.kill()
    except psutil.Error:
        return
    at = context.history.write("kill_child", part=part.name, run=run.id, pid=run.pid)
    context.worker_kills += 1
    context.record_kill([run], at, "pool child killed")
    yield from context.await_exit([child, *below], f"child of {part.name} killed")


def process_frozen(context: FaultContext) -> Fault:
    """Freeze a pool process past its lease; then it continues as if nothing had happened."""
    victim = yield from await_victim(context)
    if victim is None:
        return
    part, run = victim
    with context.reserve(part.name):
        at = context.history.write("freeze", part=part.name, run=run.id, pid=run.pid)
        _signal(run.pid, signal.SIGSTOP)
        context.record_kill([run], at, "process frozen")
        yield context.cluster.plan.lease_seconds + 4.0
        _signal(run.pid, signal.SIGCONT)
        context.history.write("thaw", run=run.id)
        yield 1.0


def main_frozen(context: FaultContext) -> Fault:
    """Freeze a worker's main process while messages are delivered to it, then kill it."""
    yield from await_idle(context, BROKER)
    with context.reserve(BROKER):
        yield from _freeze_main(context)


def _freeze_main(context: FaultContext) -> Fault:
    part = yield from await_free(context)
    if part is None:
        return
    with context.reserve(part.name):
        part.signal(signal.SIGSTOP)
        at = context.history.write("freeze_main", part=part.name)
        jobs = [
            context.submitter.submit(Submission("drill_work_job", {"seconds": 0.2}))
            for _ in range(6)
        ]
        yield 1.5
        tree, runs = part.tree(), context.runs_on(part)
        at = context.history.write("kill_tree", part=part.name, runs=[run.id for run in runs])
        part.kill()
        context.worker_kills += 1
        context.record_kill(runs, at, "main frozen")
        yield from context.await_exit(tree, f"frozen {part.name} killed")
        part.start()
        yield from await_ready(context, part)
    yield from await_ended(context, jobs)
    context.measure("lost message to done", time.time() - at)


def cut_from_postgres(context: FaultContext) -> Fault:
    """Disconnect a worker from PostgreSQL for longer than its lease: refused first, then silent."""
    part = context.cluster.parts["w1"]
    proxy = context.cluster.proxies["postgres"]
    for how, cut in (("refused", proxy.close), ("silent", proxy.silence)):
        yield from await_name(context, "w1")
        with context.reserve("w1"):
            runs = context.runs_on(part)
            at = context.history.write("cut_postgres", how=how, runs=[run.id for run in runs])
            cut()
            context.affected_pids.update(child.pid for child in part.children())
            context.record_kill(runs, at, "cut off from PostgreSQL")
            yield context.cluster.plan.lease_seconds + 3.0
            proxy.restore()
            mended = context.history.write("mend_postgres", how=how)
            context.cuts.append((at, mended))
            yield from await_probe(context, f"PostgreSQL back ({how}) to claim", mended)


def cut_from_redis(context: FaultContext) -> Fault:
    """Make a worker's connection to Redis silent but open; later new connections work again."""
    proxy = context.cluster.proxies["redis"]
    yield from await_idle(context, BROKER)
    with context.reserve(BROKER):
        yield from await_name(context, "w1")
        with context.reserve("w1"):
            yield from _silence(context, proxy)


def _silence(context: FaultContext, proxy: CuttableProxy) -> Fault:
    context.history.write("cut_redis")
    proxy.silence()
    yield 12.0
    proxy.restore()
    mended = context.history.write("mend_redis")
    yield from await_probe(context, "Redis back (half-open) to claim", mended)


def rolling_restart(context: FaultContext) -> Fault:
    """Stop and restart each worker: its work is released and counts as no attempt."""
    for part in context.cluster.workers:
        yield from await_name(context, part.name)
        with context.reserve(part.name):
            yield from _restart(context, part)


def clock_off(context: FaultContext) -> Fault:
    """Run a worker whose clock is an hour ahead, then one whose clock is an hour behind."""
    library = find_faketime()
    if library is None:
        context.skipped["clock_off"] = "libfaketime is not installed"
        return
    part = context.cluster.parts["w2"]
    for shift in ("+3600s", "-3600s"):
        yield from await_name(context, "w2")
        with context.reserve("w2"):
            yield from _restart(
                context,
                part,
                LD_PRELOAD=library,
                FAKETIME=shift,
                FAKETIME_DONT_FAKE_MONOTONIC="1",
            )
        yield 6.0
    yield from await_name(context, "w2")
    with context.reserve("w2"):
        yield from _restart(context, part)


def disk_full(context: FaultContext) -> Fault:
    """Fill the store's disk to the last byte for some seconds."""
    if not context.cluster.has_small_disk:
        context.skipped["disk_full"] = "no small disk could be mounted (needs root)"
        return
    ballast = context.cluster.home / "objects" / "ballast"
    while len(context.free_workers()) < min(2, len(context.cluster.workers)):
        yield POLL_SECONDS
    jobs: list[str] = []
    for _ in range(DISK_ROUNDS):
        met = yield from _fill_for_a_moment(context, ballast, jobs)
        if met:
            break
        yield DISK_PAUSE_SECONDS
    context.expect("right states", holds=met, otherwise="no try met the full disk")
    yield from await_ended(context, jobs)


def _fill_for_a_moment(
    context: FaultContext, ballast: Path, jobs: list[str]
) -> Generator[float, None, bool]:
    """Fill the disk, submit work that writes, free it again; return whether an attempt failed."""
    context.history.write("fill_disk")
    _fill(ballast)
    jobs += [context.submitter.submit(Submission("drill_work_job", {"seconds": 0.1}), priority=9)]
    jobs += [
        context.submitter.submit(Submission("drill_work_job", {"seconds": 0.1})) for _ in range(3)
    ]
    query = "SELECT count(*) FROM run WHERE job_id = ANY(:ids) AND failure ->> 'code' = 'disk_full'"
    deadline = time.monotonic() + DISK_SECONDS
    while not (full := context.queries.count(query, ids=jobs)) and time.monotonic() < deadline:
        yield POLL_SECONDS
    ballast.unlink()
    context.history.write("free_disk", expected_attempts=full)
    return full > 0


def _restart(context: FaultContext, part: Part, **more: str) -> Fault:
    killed = {kill.run_id for kill in context.kills}  # not yet closed by the sweeper
    tree, runs = part.tree(), [run for run in context.runs_on(part) if run.id not in killed]
    began = context.history.write("stop", part=part.name, runs=[run.id for run in runs])
    assert part.process is not None
    part.process.terminate()
    while part.process.poll() is None and time.time() - began < STOP_SECONDS:
        yield POLL_SECONDS
    context.measure("worker stop", time.time() - began)
    is_wedged = any("wedge" in run.kind for run in runs)  # the supervisor would send SIGKILL
    context.expect(
        "handed back",
        holds=part.process.poll() is not None or is_wedged,
        otherwise=f"{part.name} did not stop in {STOP_SECONDS:.0f} s",
    )
    part.kill()
    yield from context.await_exit(tree, f"{part.name} stopped")
    for run in runs:
        if not is_wedged:
            _expect_handed_back(context, run)
    part.start(**more)
    yield from await_ready(context, part)


def _expect_handed_back(context: FaultContext, run: CurrentRun) -> None:
    row = context.queries.fetch("SELECT state FROM run WHERE id = :id", id=run.id)[0]
    fine = ("returned", "succeeded", "failed", "rejected", "cancelled")
    context.expect(
        "handed back",
        holds=row["state"] in fine,
        otherwise=f"run {run.id} ({run.kind}) is {row['state']} after its worker was stopped",
    )


def _signal(pid: int, number: int) -> None:
    try:
        psutil.Process(pid).send_signal(number)
    except psutil.Error:
        return


def _fill(path: Path) -> None:
    block = bytes(1024 * 1024)
    with path.open("wb", buffering=0) as file:
        for size in (len(block), 4096, 1):
            try:
                while file.write(block[:size]):
                    pass
            except OSError:
                continue
