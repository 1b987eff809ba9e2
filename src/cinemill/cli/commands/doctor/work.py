"""The checks of who does the work: workers for every queue, and the relay.

They judge as ``/health`` and ``cinemill status`` do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from cinemill.cli.commands.doctor.check import Check, Level
from cinemill.cli.console import format_duration
from cinemill.errors import DatabaseUnavailable, RedisUnavailable

if TYPE_CHECKING:
    from cinemill.config import Settings


def check_workers(settings: Settings) -> Iterator[Check]:
    """Check which workers report, and whether they reply."""
    from cinemill.catalog import COMMON_QUEUES
    from cinemill.storage.metrics.live_workers import LiveWorkers
    from cinemill.storage.metrics.work_health import WorkState, judge_workers

    if settings.redis_url is None:
        yield Check("workers", Level.WARN, "no server is running here", "Run 'cinemill up'.")
        return
    try:
        with closing(LiveWorkers(settings.redis_url)) as reports:
            workers = reports.list_workers()
    except RedisUnavailable:
        return  # check_redis reports this.
    found = judge_workers(workers, COMMON_QUEUES)
    if found.state is WorkState.NONE:
        hint = _find_restart(settings, "worker") or "Run 'cinemill worker'."
        yield Check("workers", Level.FAIL, "no worker responds", hint)
        return
    names, count = ", ".join(worker.node for worker in workers), len(COMMON_QUEUES)
    message = f"{names}: on {count - len(found.unserved)} of {count} queues"
    yield Check("workers", Level.OK, message)
    if found.unserved:
        hint = f"Run 'cinemill worker --queues {','.join(found.unserved)}'."
        message = f"no worker consumes {', '.join(found.unserved)}"
        yield Check("workers", Level.FAIL, message, hint)
    yield from _check_replies(settings, {worker.node for worker in workers})


def _check_replies(settings: Settings, names: Collection[str]) -> Iterator[Check]:
    """Check that workers which report also take messages: Celery's remote control is such."""
    from cinemill.worker.inspection import workers_by_queue

    try:
        found = workers_by_queue(settings)
    except RedisUnavailable:
        return  # check_redis or check_messages reports this.
    silent = sorted(set(names) - {name for replied in found.values() for name in replied})
    if silent:
        message = f"{', '.join(silent)}: no reply to Celery's remote control"
        hint = "A worker with the solo pool replies between tasks; restart one that takes no work."
        yield Check("workers", Level.WARN, message, hint)


def check_relay(settings: Settings) -> Iterator[Check]:
    """Check the relay, without which no job starts."""
    from cinemill.storage.database import Database
    from cinemill.storage.metrics.work_health import WorkState, judge_relay, read_relay_silence

    if settings.database_url is None:
        return  # check_workers says that nothing runs here.
    url, direct_url = settings.database_url, settings.database_direct_url
    try:
        with (
            closing(Database(url, direct_url=direct_url, pool_size=1)) as database,
            database.begin() as connection,
        ):
            seconds = read_relay_silence(connection)
    except DatabaseUnavailable:
        return  # check_database reports this.
    if judge_relay(seconds) is WorkState.OK:
        yield Check("relay", Level.OK, "hands work out")
        return
    since = "" if seconds is None else f" for {format_duration(seconds)}"
    hint = _find_restart(settings, "beat") or "Run 'cinemill beat'."
    yield Check("relay", Level.FAIL, f"no relay has handed work out{since}; no job starts", hint)


def _find_restart(settings: Settings, service: str) -> str:
    """Return what a supervisor on this home says of a service that is missed; empty for none."""
    from cinemill.config.running import read_service

    report = read_service(settings.home, service)
    return "" if report is None else report.describe()
