"""For operators: health, and what a bug report should carry."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import time
from functools import partial
from importlib.metadata import version

from fastapi import APIRouter, Request, Response

from cinemill import __version__
from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.models.operations import (
    CapabilityDocument,
    DebugDocument,
    DiskDocument,
    HealthDocument,
    LeftOutDocument,
    ProcessDocument,
    QueueCounts,
    QueueError,
    SettingDocument,
)
from cinemill.api.models.problems import Responses, problems
from cinemill.api.state import AppState, StateDep
from cinemill.capability.composition import Composition
from cinemill.catalog import CATALOG, COMMON_QUEUES
from cinemill.config.running import read_service
from cinemill.errors import CinemillError
from cinemill.jobs.adoption.unread import count_unread
from cinemill.jobs.events import EventReader
from cinemill.machine import usable_cpus
from cinemill.storage.database import Database
from cinemill.storage.jobs.stray_messages import find_broker_refusal
from cinemill.storage.metrics.work_health import (
    WorkState,
    judge_relay,
    judge_workers,
    read_relay_silence,
)
from cinemill.storage.projection.health import examine_projections
from cinemill.storage.projection.server import QdrantServer

router = APIRouter(tags=["operate"], route_class=BoundedRoute)
health_router = APIRouter(tags=["operate"], route_class=BoundedRoute)
"""Needs no token."""

PING_SECONDS = 3.0
"""In which ``/health`` responds, whatever hangs."""
STRAYS_SECONDS = 10.0
_LIBRARIES = ("celery", "fastapi", "kombu", "psycopg", "redis", "sqlalchemy", "uvicorn")

_WRITABLE = ("ok", "nearly_full")
_BROKEN = ("refusing", "unavailable")
STARTING = "starting"
_AT_REST = {WorkState.NONE.value, WorkState.INCOMPLETE.value, STARTING}
"""Words for workers and the relay where jobs wait for them."""

_checked: dict[str | None, tuple[float, str]] = {}


UNHEALTHY: Responses = {503: problems(503)[503] | {"model": HealthDocument}}
"""A part is down, or the server is too busy to find out."""


@health_router.get("/health", response_model_exclude_unset=True, responses=UNHEALTHY)
async def read_health(request: Request, state: StateDep, response: Response) -> HealthDocument:
    """Report whether the components respond. 503 if PostgreSQL does not.

    ``redis`` is ``ok``, ``nearly_full`` where over four fifths of its memory are used, ``refusing``
    where it answers and refuses what work needs (nothing new starts meanwhile), or ``unavailable``.
    ``hardware`` is ``none``, ``ok``, or ``resting`` where an encoder failed too often and its work
    goes elsewhere; ``/stats`` names it. ``messages`` is ``ok``, or ``unread`` where jobs lie in
    lists of the broker that no worker reads, or ``refusing`` or ``unavailable`` where the broker is
    another server than ``redis`` and fails; ``workers`` is ``ok``, ``none`` where none responds,
    ``incomplete`` where none consumes some queue, or ``starting`` where ``cinemill up`` starts one;
    ``relay``, a part of ``cinemill beat`` that hands work out, is ``ok``, ``none`` or ``starting``.
    Without them jobs wait, and the status is ``degraded``. ``capabilities`` is there only where an
    installed package's capability cannot be used, and says ``left_out``. ``qdrant`` is there only
    where it is set up: ``ok``, ``unavailable``, or ``filling`` or ``behind`` if it lacks vectors;
    PostgreSQL is searched then. ``sandbox`` is there only where videos are decoded outside of
    bubblewrap, and says ``off``. ``cinemill doctor`` says more about all of them.
    Needs no token, and therefore says nothing else.
    """
    found = await state.health.ask(partial(_examine, state, request.app.state.events))
    response.status_code = 200 if found["database"] == "ok" else 503
    response.headers["Cache-Control"] = "no-store"
    # Only where there is something to say: people's checks compare the whole document.
    left_out = {"capabilities": "left_out"} if request.app.state.left_out else {}
    sandbox = {} if request.app.state.is_isolated else {"sandbox": "off"}
    return HealthDocument.model_validate({**found, **left_out, **sandbox})


async def _examine(state: AppState, reader: EventReader) -> dict[str, str]:
    deadline = asyncio.get_running_loop().time() + PING_SECONDS
    (database, hardware, relay), (events, messages, workers), qdrant = await asyncio.gather(
        _examine_database(state, deadline),
        _examine_redis(state, reader, deadline),
        _examine_qdrant(state, deadline),
    )
    is_well = (
        database
        and events in _WRITABLE
        and messages not in _BROKEN
        and not _AT_REST & {workers, relay}
        and "unavailable" not in qdrant.values()
    )
    return {
        "status": "ok" if is_well else "degraded" if database else "down",
        "database": "ok" if database else "unavailable",
        "redis": events,
        "hardware": hardware,
        "messages": messages,
        "workers": workers,
        "relay": relay,
        "version": __version__,
        **qdrant,
    }


async def _examine_database(state: AppState, deadline: float) -> tuple[bool, str, str]:
    run = partial(state.health.run, deadline=deadline)
    if not await run("database", partial(_database_answers, state), otherwise=False):
        return False, "unknown", "unknown"
    hardware, relay = await asyncio.gather(
        run("hardware", partial(_check_hardware, state), otherwise="unknown"),
        run("relay", partial(_check_relay, state), otherwise="unknown"),
    )
    return True, hardware, relay


async def _examine_redis(
    state: AppState, reader: EventReader, deadline: float
) -> tuple[str, str, str]:
    events = await _check_redis(reader, deadline)
    if events not in _WRITABLE:
        return events, "unknown", "unknown"
    run = partial(state.health.run, otherwise="unknown", deadline=deadline)
    messages, workers = await asyncio.gather(
        run("messages", partial(_check_messages, state)),
        run("workers", partial(_check_workers, state)),
    )
    return events, messages, workers


async def _examine_qdrant(state: AppState, deadline: float) -> dict[str, str]:
    """Return what Qdrant is, or nothing where there is none."""
    if state.search.qdrant is None:
        return {}
    judge = partial(_check_qdrant, state.database, state.search.qdrant)
    found = await state.health.run("qdrant", judge, otherwise="unavailable", deadline=deadline)
    return {"qdrant": found}


def _check_qdrant(database: Database, server: QdrantServer) -> str:
    try:
        return examine_projections(database, server).state.value
    except CinemillError:
        return "unknown"


def _database_answers(state: AppState) -> bool:
    try:
        state.database.ping()
    except CinemillError:
        return False
    return True


def _check_hardware(state: AppState) -> str:
    try:
        offers = state.jobs.list_hardware()
    except CinemillError:
        return "unknown"
    if not offers:
        return "none"
    return "ok" if all(offer.is_open for offer in offers) else "resting"


def _check_relay(state: AppState) -> str:
    try:
        with state.database.begin() as connection:
            found = judge_relay(read_relay_silence(connection))
    except CinemillError:
        return "unknown"
    return _word(state, "beat", found)


def _check_workers(state: AppState) -> str:
    try:
        workers = state.live_workers.list_workers()
    except CinemillError:
        return "unknown"
    return _word(state, "worker", judge_workers(workers, COMMON_QUEUES).state)


def _word(state: AppState, service: str, found: WorkState) -> str:
    """Return what ``/health`` says of a service, which a supervisor here may start again."""
    if found is not WorkState.NONE:
        return found.value
    report = read_service(state.settings.home, service)
    return found.value if report is None else STARTING


async def _check_redis(events: EventReader, deadline: float) -> str:
    try:
        async with asyncio.timeout_at(deadline):
            return await events.judge_health()
    except (CinemillError, TimeoutError):
        return "unavailable"


def _check_messages(state: AppState) -> str:
    """Ask the broker, at most every ``STRAYS_SECONDS``: health may be requested often."""
    url, now = state.settings.celery_broker_url, time.monotonic()
    if url not in _checked or now - _checked[url][0] > STRAYS_SECONDS:
        try:
            _checked[url] = (now, _judge_broker(url, is_other=url != state.settings.redis_url))
        except CinemillError:
            _checked[url] = (now, "unavailable")
    return _checked[url][1]


def _judge_broker(url: str | None, *, is_other: bool) -> str:
    """Return what ``/health`` says of the broker, which may be another server than events'."""
    if is_other and find_broker_refusal(url) is not None:
        return "refusing"
    return "unread" if count_unread(url, CATALOG) else "ok"


@router.get("/debug")
def read_debug(request: Request, state: StateDep) -> DebugDocument:
    """Return what a bug report should include.

    Versions, settings (secrets masked), disk, queues and installed capabilities.
    """
    disk = DiskDocument(files=str(state.files.root), free_bytes=state.files.free_bytes())
    return DebugDocument(
        version=__version__,
        python=sys.version.split()[0],
        platform=platform.platform(),
        libraries={name: version(name) for name in _LIBRARIES},
        process=ProcessDocument(pid=os.getpid(), cpus=usable_cpus()),
        disk=disk,
        settings=[
            SettingDocument(name=row.name, value=row.value_masked, source=row.source)
            for row in state.settings.describe()
        ],
        queue=_read_queue(state),
        capabilities=_list_capabilities(request.app.state.composition),
        left_out=[
            LeftOutDocument(package=str(one.origin), reason=one.reason, hint=one.hint)
            for one in request.app.state.left_out
        ],
    )


def _list_capabilities(composition: Composition) -> list[CapabilityDocument]:
    packages: dict[str, str | None] = {one.name: None for one in composition.built_in}
    packages |= {one.capability.name: str(one.origin) for one in composition.installed}
    return [CapabilityDocument(name=name, package=package) for name, package in packages.items()]


def _read_queue(state: AppState) -> QueueCounts | QueueError:
    try:
        return QueueCounts(**state.jobs.get_queue_stats())
    except CinemillError as error:
        return QueueError(error=error.message)
