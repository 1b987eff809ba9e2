"""Conditions that faults wait for. Each wait yields seconds to sleep, and has a timeout."""

from __future__ import annotations

import time
from collections.abc import Generator

from tests.faults.cluster import Part
from tests.faults.context import Fault, FaultContext
from tests.faults.queries import CurrentRun
from tests.faults.submitter import Submission

from cinemill.worker.messages.queues import VISIBILITY_TIMEOUT_SECONDS

PATIENCE_SECONDS = 20.0
POLL_SECONDS = 0.1
REACH_SECONDS = 30.0
BROKER = "what Redis hands over"
"""Reserved while a worker is frozen or disconnected during a delivery: a message popped for it is
lost with it. A run is sent again; a bare message is only as safe as Redis."""


def await_victim(context: FaultContext) -> Generator[float, None, tuple[Part, CurrentRun] | None]:
    """Return a running attempt that may be crashed, with its worker; None after a timeout."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        victims = context.find_victims()
        if victims:
            return context.random.choice(victims)
        yield POLL_SECONDS
    return None


def await_busy(context: FaultContext) -> Generator[float, None, Part | None]:
    """Return a busy worker that may be taken down; None after a timeout."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        busy = sorted({part.name for part, _ in context.find_victims()})
        ready = [context.cluster.parts[name] for name in busy]
        ready = [part for part in ready if context.can_take_down(part)]
        if ready:
            return context.random.choice(ready)
        yield POLL_SECONDS
    return None


def await_free(context: FaultContext) -> Generator[float, None, Part | None]:
    """Return a worker without proxies that no other fault uses, whose attempts may crash."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        unwired = [part for part in context.free_workers() if part.name != "w1"]
        free = [part for part in unwired if context.can_take_down(part)]
        if free:
            return context.random.choice(free)
        yield POLL_SECONDS
    return None


def await_name(context: FaultContext, name: str) -> Fault:
    """Wait until no other fault uses this part, and its attempts may be crashed."""
    part = context.cluster.parts[name]
    deadline = time.monotonic() + 4 * PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if name not in context.busy and part.is_ready and context.can_take_down(part):
            return
        yield POLL_SECONDS


def await_idle(context: FaultContext, *names: str) -> Fault:
    """Wait until no fault has reserved any of these."""
    while context.busy & set(names):
        yield POLL_SECONDS


def await_rows(context: FaultContext, jobs: list[str]) -> Fault:
    """Wait until each job has its row, at most as long as after the kill of a worker."""
    deadline = time.monotonic() + VISIBILITY_TIMEOUT_SECONDS + REACH_SECONDS
    query = "SELECT count(*) FROM job WHERE id = ANY(:ids)"
    while context.queries.count(query, ids=jobs) < len(jobs) and time.monotonic() < deadline:
        yield POLL_SECONDS


def await_ready(context: FaultContext, part: Part) -> Fault:
    deadline = time.monotonic() + 60.0
    while not part.is_ready and time.monotonic() < deadline:
        yield POLL_SECONDS
    context.expect("right states", holds=part.is_ready, otherwise=f"{part.name} never got ready")


def await_ended(context: FaultContext, jobs: list[str]) -> Fault:
    deadline = time.monotonic() + 60.0
    query = "SELECT count(*) FROM job WHERE id = ANY(:ids) AND finished_at IS NULL"
    while context.queries.count(query, ids=jobs) and time.monotonic() < deadline:
        yield POLL_SECONDS


def await_probe(context: FaultContext, name: str, since: float) -> Fault:
    """Measure how long the worker behind the proxies takes to claim work again."""
    probe = context.submitter.submit(Submission("drill_probe_job", {"seconds": 0.1}))
    yield from await_ended(context, [probe])
    context.measure(name, time.time() - since)


def reach(
    context: FaultContext, job_id: str, state: str, *, seconds: float = REACH_SECONDS
) -> Generator[float, None, bool]:
    """Wait for the job to reach this state; return whether it did in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if context.submitter.state(job_id) == state:
            return True
        yield POLL_SECONDS
    context.expect(
        "right states",
        holds=False,
        otherwise=f"job {job_id} is {context.submitter.state(job_id)}, not {state}, "
        f"after {seconds:.0f} s",
    )
    return False
