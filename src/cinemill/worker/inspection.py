"""Which workers respond, and on which queues, for ``doctor``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cinemill.config import Settings
from cinemill.errors import RedisUnavailable

if TYPE_CHECKING:
    from celery import Celery

REPLY_SECONDS = 2.0


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
