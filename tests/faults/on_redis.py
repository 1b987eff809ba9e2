"""Faults of a Redis that answers and refuses. Generators, as in ``on_workers``."""

from __future__ import annotations

from tests.faults.desk import Order
from tests.faults.on_database import expect_served
from tests.faults.refusals import Refusal, out_of_memory, read_only
from tests.faults.stage import Fault, Stage
from tests.faults.waiting import BROKER, await_idle

REFUSED_SECONDS = 5.0
SERVERS = ("redis", "postgres", "b1")
"""One fault of a server or relay at a time."""


def redis_out_of_memory(stage: Stage) -> Fault:
    """Redis takes nothing more for some seconds; what lies there can be taken."""
    yield from _refuse(stage, "OOM", out_of_memory)


def redis_read_only(stage: Stage) -> Fault:
    """The primary is demoted for some seconds, and keeps its clients."""
    yield from _refuse(stage, "READONLY", read_only)


def _refuse(stage: Stage, name: str, refusal: Refusal) -> Fault:
    """Jobs are handed in before, meanwhile and afterwards; the last of them goes first."""
    yield from await_idle(stage, *SERVERS, BROKER)
    with stage.holding("redis", BROKER), stage.outage():
        jobs = [_submit(stage) for _ in range(4)]
        with refusal(stage.yard.servers.redis_url):
            stage.history.write("redis_refuses", how=name)
            jobs += [_submit(stage) for _ in range(4)]
            yield REFUSED_SECONDS
        healed = stage.history.write("redis_takes_writes")
        jobs.append(stage.desk.submit(Order("drill_work_job", {"seconds": 0.1}), priority=10))
        yield from expect_served(stage, jobs, f"Redis takes writes after {name} to done", healed)


def _submit(stage: Stage) -> str:
    return stage.desk.submit(Order("drill_work_job", {"seconds": 0.3}))
