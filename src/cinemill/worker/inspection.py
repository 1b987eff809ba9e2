"""Which workers respond, on which queues they work and how busy they are, for the CLI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cinemill.config import Settings
from cinemill.errors import RedisUnavailable

if TYPE_CHECKING:
    from celery import Celery

REPLY_SECONDS = 2.0
INSPECT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """One worker as it describes itself."""

    name: str
    queues: tuple[str, ...]
    slots: int
    """Tasks that it works on at a time."""
    busy: int
    """Tasks that it works on now."""


def workers_by_queue(settings: Settings) -> dict[str, list[str]]:
    """Return the names of the workers that replied within two seconds, by queue.

    Raises RedisUnavailable if the broker cannot be queried.
    """
    with _control_app(settings) as app:
        replies = app.control.inspect(timeout=REPLY_SECONDS).active_queues() or {}
    found: dict[str, list[str]] = {}
    for worker, queues in sorted(replies.items()):
        for queue in queues:
            found.setdefault(queue["name"], []).append(worker)
    return found


def inspect_workers(settings: Settings) -> list[WorkerReport]:
    """Return every worker that replied within a second, sorted by name.

    Raises RedisUnavailable if the broker cannot be queried.
    """
    commands = ("active_queues", "stats", "active")
    with _control_app(settings) as app:

        def inspect(command: str) -> dict[str, Any]:
            return getattr(app.control.inspect(timeout=INSPECT_SECONDS), command)() or {}

        # In parallel: each command waits its whole timeout for replies.
        with ThreadPoolExecutor(len(commands)) as threads:
            queues, stats, active = threads.map(inspect, commands)
    return [
        WorkerReport(
            name=name,
            queues=tuple(queue["name"] for queue in queues[name]),
            slots=_count_slots(stats.get(name, {})),
            busy=len(active.get(name, ())),
        )
        for name in sorted(queues)
    ]


def _count_slots(stats: Mapping[str, Any]) -> int:
    """Return the number of slots; for an autoscaled worker, its maximum."""
    maximum = stats.get("autoscaler", {}).get("max")
    return int(maximum or stats.get("pool", {}).get("max-concurrency", 1))


@contextmanager
def _control_app(settings: Settings) -> Iterator[Celery]:
    # Imported here for start-up cost: it loads Celery, and most commands never inspect workers.
    from cinemill.worker.app_factory import build_app
    from cinemill.worker.messages.refusals import BROKER_FAULTS

    app = build_app(settings)
    # A person waits at a terminal: kombu would retry for six seconds if the broker is down.
    app.conf.broker_transport_options |= {"max_retries": 0}
    try:
        yield app
    except BROKER_FAULTS as error:
        raise RedisUnavailable(f"The broker cannot be queried for workers ({error}).") from error
    finally:
        app.close()
