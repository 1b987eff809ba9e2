"""Tells the supervisor that this worker takes the work that waits for it.

Judged by what comes of it: a worker that has a process free, has taken nothing since it was last
looked at, and for whose queues messages lie with the broker, takes none. Why is of no importance,
and work that only lasts long is never held against it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery.worker import state

from cinemill.telemetry import get_logger
from cinemill.worker.context import WorkerContext
from cinemill.worker.messages.refusals import BROKER_FAULTS

PULSE_FILE = "CINEMILL_PULSE_FILE"
"""Names the file that a worker touches every few seconds while it takes work."""
INTERVAL_SECONDS = 5.0

log = get_logger(__name__)


class Pulse:
    """A thread beside the worker's consumer; none where no supervisor asks for it."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._consumer: Any = None
        self._connection: Any = None
        self._queues: frozenset[str] = frozenset()
        self._handled = 0
        self._took_work = True

    def start(self, sender: Any, **_: Any) -> None:
        """``sender`` is Celery's consumer, which is ready now."""
        path = os.environ.get(PULSE_FILE)
        if path is None:
            return
        catalog = self._context.catalog.queues
        # Work for hardware is left alone while that rests.
        ordinary = (
            name for name in sender.app.amqp.queues.consume_from if _is_ordinary(catalog, name)
        )
        self._consumer, self._queues = sender, frozenset(ordinary)
        self._connection = sender.app.connection_for_read()
        beat = threading.Thread(target=self._run, args=(Path(path),), name="pulse", daemon=True)
        beat.start()

    def _run(self, path: Path) -> None:
        resting = threading.Event()
        while True:
            if self._judge():
                with suppress(OSError):  # without a file the supervisor asks after nothing
                    path.touch()
            resting.wait(INTERVAL_SECONDS)

    def _judge(self) -> bool:
        """True where it cannot be told."""
        try:
            takes_work = self.takes_work()
        except Exception as error:
            if not isinstance(error, BROKER_FAULTS):
                log.exception("cannot determine whether this worker takes work")
            with suppress(Exception):  # it is broken, and a new one is made when it is needed
                self._connection.collect()
            return True
        if self._took_work and not takes_work:
            log.warning(
                "messages are waiting, but this worker takes none", queues=sorted(self._queues)
            )
        self._took_work = takes_work
        return takes_work

    def takes_work(self) -> bool:
        """Whether it has taken something, has no process free, waits for its broker, or nothing
        waits for it. Raises one of BROKER_FAULTS."""
        handled, self._handled = self._handled, self._consumer.handled_count
        if self._handled != handled or self._consumer.waits_for_broker:
            return True
        if len(state.reserved_requests) >= self._count_slots():
            return True
        return not self._has_messages(self._find_queues())

    def _count_slots(self) -> int:
        """How much Celery takes at once; a control command may have changed it."""
        most = getattr(self._consumer.controller, "max_concurrency", None)
        return int(most or self._consumer.pool.num_processes)

    def _find_queues(self) -> Iterable[str]:
        """Those that it consumes. One that was told to leave some of them alone does so rightly;
        one that consumes none is asked for all that it was started for."""
        tasks = self._consumer.task_consumer
        consumed = [name for name in self._queues if tasks and tasks.consuming_from(name)]
        return consumed or self._queues

    def _has_messages(self, queues: Iterable[str]) -> bool:
        self._connection.ensure_connection(max_retries=1)
        declared = self._consumer.app.amqp.queues
        channel = self._connection.default_channel
        # Declared, not asked after: to Redis an empty queue is no queue at all.
        return any(declared[name].bind(channel).queue_declare().message_count for name in queues)


def _is_ordinary(catalog: Any, name: str) -> bool:
    return name not in catalog or catalog[name].codec is None
