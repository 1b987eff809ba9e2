"""Faults of a Redis that responds but refuses, and of a second one that is away.

Generators, as in ``on_workers``.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from tests.faults.cluster import Part
from tests.faults.context import Fault, FaultContext
from tests.faults.on_database import expect_served
from tests.faults.refusals import Refusal, out_of_memory, read_only
from tests.faults.submitter import Submission
from tests.faults.waits import BROKER, await_idle, await_ready

from cinemill.local.embedded_servers import RunningServer
from cinemill.local.servers.valkey import describe_valkey

REFUSED_SECONDS = 5.0
SERVERS = ("redis", "postgres", "b1")
"""One fault of a server or relay at a time."""


def redis_out_of_memory(context: FaultContext) -> Fault:
    """Have Redis accept no writes for some seconds; its messages can still be taken."""
    yield from _refuse(context, "OOM", out_of_memory)


def redis_read_only(context: FaultContext) -> Fault:
    """Demote the primary for some seconds; it keeps its clients."""
    yield from _refuse(context, "READONLY", read_only)


def second_redis_away(context: FaultContext) -> Fault:
    """Freeze, then kill, a Redis of events and rates next to the broker's, with rated jobs due.

    Jobs without a rate go on meanwhile, and those with one as soon as it is back.
    """
    yield from await_idle(context, *SERVERS)
    relay = context.cluster.parts["b1"]
    with (
        context.reserve(*SERVERS),
        _second_server(context.cluster.folder / "second") as (url, other),
    ):
        broker = context.cluster.servers.redis_url
        yield from _restart(context, relay, REDIS_URL=url, CELERY_BROKER_URL=broker)
        for how in ("frozen", "killed"):
            began = context.history.write("second_redis", how=how)
            process = psutil.Process(other.pid)
            process.suspend() if how == "frozen" else other.kill()
            rated = Submission("drill_rated_job", {"seconds": 0.1})
            waiting = [context.submitter.submit(rated) for _ in range(12)]
            others = [_submit(context) for _ in range(4)]
            try:
                yield from expect_served(context, others, "others, events' Redis away", began)
                yield REFUSED_SECONDS
            finally:
                process.resume() if how == "frozen" else other.start()
            healed = context.history.write("second_redis", how="back")
            yield from expect_served(context, waiting, "events' Redis back to done", healed)
        yield from _restart(context, relay)


def _restart(context: FaultContext, relay: Part, **environment: str) -> Fault:
    with context.lease_reset():
        relay.kill()
        relay.start(**environment)
        yield from await_ready(context, relay)


@contextmanager
def _second_server(folder: Path) -> Iterator[tuple[str, RunningServer]]:
    data = folder / "data"
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    server = describe_valkey(data)
    log = folder / "log"
    process = RunningServer("Valkey", server.command, server.is_ready, log, signal.SIGTERM)
    process.start()
    try:
        yield server.url, process
    finally:
        process.kill()


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
