"""Reports to the supervisor that this worker takes the work that waits for it.

The check looks at results only: a worker that has a free process, has taken nothing since the last
check, and for whose queues the broker has messages, takes no work. The cause does not matter, and
tasks that merely take long never count against it.
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
"""Variable that names the file which a worker touches every few seconds while it takes work."""
INTERVAL_SECONDS = 5.0

log = get_logger(__name__)


class Pulse:
    """A thread next to the worker's consumer; there is none unless a supervisor asks for it."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._consumer: Any = None
        self._connection: Any = None
        self._queues: frozenset[str] = frozenset()
        self._handled = 0
        self._took_work = True

    def start(self, sender: Any, **_: Any) -> None:
        """Start the thread if a pulse file is named; ``sender`` is Celery's consumer, now ready."""
        path = os.environ.get(PULSE_FILE)
        if path is None:
            return
        catalog = self._context.catalog.queues
        # The queues of hardware are not consumed while it is suspended.
        ordinary = (
            name for name in sender.app.amqp.queues.consume_from if _is_ordinary(catalog, name)
        )
        self._consumer, self._queues = sender, frozenset(ordinary)
        self._connection = sender.app.connection_for_read()
        thread = threading.Thread(target=self._run, args=(Path(path),), name="pulse", daemon=True)
        thread.start()

    def _run(self, path: Path) -> None:
        pause = threading.Event()
        while True:
            if self._check():
                with suppress(OSError):  # without the file the supervisor skips this check
                    path.touch()
            pause.wait(INTERVAL_SECONDS)

    def _check(self) -> bool:
        """Return whether this worker takes work; True if unknown. Log a warning if it does not."""
        try:
            takes_work = self.takes_work()
        except Exception as error:
            if not isinstance(error, BROKER_FAULTS):
                log.exception("cannot determine whether this worker takes work")
            with suppress(Exception):  # it is broken, and is reopened when needed
                self._connection.collect()
            return True
        if self._took_work and not takes_work:
            log.warning(
                "messages are waiting, but this worker takes none", queues=sorted(self._queues)
            )
        self._took_work = takes_work
        return takes_work

    def takes_work(self) -> bool:
        """Return False only if messages wait although this worker could have taken one.

        It could not if it has taken others since the last call, has no process free, or waits for
        its broker. Raises one of BROKER_FAULTS.
        """
        handled, self._handled = self._handled, self._consumer.handled_count
        if self._handled != handled or self._consumer.waits_for_broker:
            return True
        if len(state.reserved_requests) >= self._count_slots():
            return True
        return not self._has_messages(self._find_queues())

    def _count_slots(self) -> int:
        """Return how many tasks Celery takes at once; a control command may have changed it."""
        maximum = getattr(self._consumer.controller, "max_concurrency", None)
        return int(maximum or self._consumer.pool.num_processes)

    def _find_queues(self) -> Iterable[str]:
        """Return the queues that the worker should consume.

        A control command may have cancelled some of them, which then do not count; a worker that
        consumes none at all should consume all those that it was started for.
        """
        tasks = self._consumer.task_consumer
        consumed = [name for name in self._queues if tasks and tasks.consuming_from(name)]
        return consumed or self._queues

    def _has_messages(self, queues: Iterable[str]) -> bool:
        self._connection.ensure_connection(max_retries=1)
        declared = self._consumer.app.amqp.queues
        channel = self._connection.default_channel
        # Declared rather than looked up: in Redis an empty queue does not exist.
        return any(declared[name].bind(channel).queue_declare().message_count for name in queues)


def _is_ordinary(catalog: Any, name: str) -> bool:
    return name not in catalog or catalog[name].codec is None
