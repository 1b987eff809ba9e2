"""Which workers answer, on which queues they work, how busy they are: for the command line."""

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

ANSWER_SECONDS = 2.0
SURVEY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """One worker as it told of itself."""

    name: str
    queues: tuple[str, ...]
    slots: int
    """Tasks that it works on at a time."""
    busy: int
    """Tasks that it works on now."""


def workers_by_queue(settings: Settings) -> dict[str, list[str]]:
    """Queue → names of the workers that answered within two seconds.

    Raises RedisUnavailable where the broker cannot be asked.
    """
    with _asking(settings) as app:
        answers = app.control.inspect(timeout=ANSWER_SECONDS).active_queues() or {}
    found: dict[str, list[str]] = {}
    for worker, queues in sorted(answers.items()):
        for queue in queues:
            found.setdefault(queue["name"], []).append(worker)
    return found


def inspect_workers(settings: Settings) -> list[WorkerReport]:
    """Every worker that answered within a second, by name.

    Raises RedisUnavailable where the broker cannot be asked.
    """
    questions = ("active_queues", "stats", "active")
    with _asking(settings) as app:

        def ask(question: str) -> dict[str, Any]:
            return getattr(app.control.inspect(timeout=SURVEY_SECONDS), question)() or {}

        # Each question waits its whole time for answers: all at once, not one after the other.
        with ThreadPoolExecutor(len(questions)) as threads:
            queues, stats, active = threads.map(ask, questions)
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
    """Of a worker that follows the load, as many as it may have."""
    most = stats.get("autoscaler", {}).get("max")
    return int(most or stats.get("pool", {}).get("max-concurrency", 1))


@contextmanager
def _asking(settings: Settings) -> Iterator[Celery]:
    # Imported here for start-up cost: it loads Celery, and most commands never ask for workers.
    from cinemill.worker.app_factory import build_app
    from cinemill.worker.messages.refusals import BROKER_FAULTS

    app = build_app(settings)
    # Somebody waits at a terminal: kombu would try a broker that is down for six seconds.
    app.conf.broker_transport_options |= {"max_retries": 0}
    try:
        yield app
    except BROKER_FAULTS as error:
        raise RedisUnavailable(f"The broker cannot be queried for workers ({error}).") from error
    finally:
        app.close()
