"""Faults of a Redis that answers and refuses. Generators, as in ``on_workers``."""

from __future__ import annotations

from tests.faults.context import Fault, FaultContext
from tests.faults.on_database import expect_served
from tests.faults.refusals import Refusal, out_of_memory, read_only
from tests.faults.submitter import Submission
from tests.faults.waits import BROKER, await_idle

REFUSED_SECONDS = 5.0
SERVERS = ("redis", "postgres", "b1")
"""One fault of a server or relay at a time."""


def redis_out_of_memory(context: FaultContext) -> Fault:
    """Redis takes nothing more for some seconds; what lies there can be taken."""
    yield from _refuse(context, "OOM", out_of_memory)


def redis_read_only(context: FaultContext) -> Fault:
    """The primary is demoted for some seconds, and keeps its clients."""
    yield from _refuse(context, "READONLY", read_only)


def _refuse(context: FaultContext, name: str, refusal: Refusal) -> Fault:
    """Jobs are handed in before, meanwhile and afterwards; the last of them goes first."""
    yield from await_idle(context, *SERVERS, BROKER)
    with context.holding("redis", BROKER), context.outage():
        jobs = [_submit(context) for _ in range(4)]
        with refusal(context.cluster.servers.redis_url):
            context.history.write("redis_refuses", how=name)
            jobs += [_submit(context) for _ in range(4)]
            yield REFUSED_SECONDS
        healed = context.history.write("redis_takes_writes")
        jobs.append(
            context.submitter.submit(Submission("drill_work_job", {"seconds": 0.1}), priority=10)
        )
        yield from expect_served(context, jobs, f"Redis takes writes after {name} to done", healed)


def _submit(context: FaultContext) -> str:
    return context.submitter.submit(Submission("drill_work_job", {"seconds": 0.3}))
