"""Faults of a Redis that responds but refuses. Generators, as in ``on_workers``."""

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
    """Have Redis accept no writes for some seconds; its messages can still be taken."""
    yield from _refuse(context, "OOM", out_of_memory)


def redis_read_only(context: FaultContext) -> Fault:
    """Demote the primary for some seconds; it keeps its clients."""
    yield from _refuse(context, "READONLY", read_only)


def _refuse(context: FaultContext, name: str, refusal: Refusal) -> Fault:
    """Submit jobs before, during and after the refusal; the last one has the highest priority."""
    yield from await_idle(context, *SERVERS, BROKER)
    with context.reserve("redis", BROKER), context.outage():
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
