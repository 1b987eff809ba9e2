"""What faults wait for. Each wait yields seconds to sleep, and gives up in the end."""

from __future__ import annotations

import time
from collections.abc import Generator

from tests.faults.books import RunUnderWay
from tests.faults.desk import Order
from tests.faults.stage import Fault, Stage
from tests.faults.yard import Part

from cinemill.worker.messages.queues import UNSEEN_SECONDS

PATIENCE_SECONDS = 20.0
POLL_SECONDS = 0.1
REACH_SECONDS = 30.0
BROKER = "what Redis hands over"
"""Held while a worker stands still or is cut off with Redis' answer on its way: what is popped for
it is lost with it. A run is sent again; a bare message is only as safe as Redis."""


def await_victim(stage: Stage) -> Generator[float, None, tuple[Part, RunUnderWay] | None]:
    """A try under way that may be crashed, with its worker; None where none came in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        victims = stage.find_victims()
        if victims:
            return stage.random.choice(victims)
        yield POLL_SECONDS
    return None


def await_busy(stage: Stage) -> Generator[float, None, Part | None]:
    """A worker at work that may be taken down; None where there was none in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        busy = sorted({part.name for part, _ in stage.find_victims()})
        ready = [stage.yard.parts[name] for name in busy]
        ready = [part for part in ready if stage.may_take_down(part)]
        if ready:
            return stage.random.choice(ready)
        yield POLL_SECONDS
    return None


def await_free(stage: Stage) -> Generator[float, None, Part | None]:
    """A worker without wires that no other fault is at work on, whose tries may be crashed."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        unwired = [part for part in stage.free_workers() if part.name != "w1"]
        free = [part for part in unwired if stage.may_take_down(part)]
        if free:
            return stage.random.choice(free)
        yield POLL_SECONDS
    return None


def await_name(stage: Stage, name: str) -> Fault:
    """Until nobody else is at work on this part, and its tries may be crashed."""
    part = stage.yard.parts[name]
    deadline = time.monotonic() + 4 * PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if name not in stage.busy and part.is_ready and stage.may_take_down(part):
            return
        yield POLL_SECONDS


def await_idle(stage: Stage, *names: str) -> Fault:
    """Until no fault is at work on any of these."""
    while stage.busy & set(names):
        yield POLL_SECONDS


def await_rows(stage: Stage, jobs: list[str]) -> Fault:
    """Until each of these has its row, or it is late even for a message whose worker was killed."""
    deadline = time.monotonic() + UNSEEN_SECONDS + REACH_SECONDS
    query = "SELECT count(*) FROM job WHERE id = ANY(:ids)"
    while stage.books.count(query, ids=jobs) < len(jobs) and time.monotonic() < deadline:
        yield POLL_SECONDS


def await_ready(stage: Stage, part: Part) -> Fault:
    deadline = time.monotonic() + 60.0
    while not part.is_ready and time.monotonic() < deadline:
        yield POLL_SECONDS
    stage.expect("right states", holds=part.is_ready, otherwise=f"{part.name} never got ready")


def await_ended(stage: Stage, jobs: list[str]) -> Fault:
    deadline = time.monotonic() + 60.0
    query = "SELECT count(*) FROM job WHERE id = ANY(:ids) AND finished_at IS NULL"
    while stage.books.count(query, ids=jobs) and time.monotonic() < deadline:
        yield POLL_SECONDS


def await_probe(stage: Stage, name: str, since: float) -> Fault:
    """How long until the worker on the wires claims work again."""
    probe = stage.desk.submit(Order("drill_probe_job", {"seconds": 0.1}))
    yield from await_ended(stage, [probe])
    stage.measure(name, time.time() - since)


def reach(
    stage: Stage, job_id: str, state: str, *, seconds: float = REACH_SECONDS
) -> Generator[float, None, bool]:
    """Whether the job got to this state in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if stage.desk.state(job_id) == state:
            return True
        yield POLL_SECONDS
    stage.expect(
        "right states",
        holds=False,
        otherwise=f"job {job_id} is {stage.desk.state(job_id)}, not {state}, after {seconds:.0f} s",
    )
    return False
