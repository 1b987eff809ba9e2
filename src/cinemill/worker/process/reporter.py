"""Reports to Redis that this worker lives, what it works on, its memory, and its machine's GPUs.

``/metrics`` and ``/stats`` show it. A report is written every ten seconds by a thread of the
worker's main process, so it costs the processes that work nothing; a worker that died is gone after
three.
"""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from typing import Any

from celery.worker import state

from cinemill.capabilities.operations.gpus import list_gpus
from cinemill.errors import CinemillError
from cinemill.inference.sessions.process_device import is_driver_silent
from cinemill.jobs.runs.memory import measure_tree_bytes
from cinemill.storage.metrics.live_workers import GpuFigures, LiveWorker, LiveWorkers
from cinemill.worker.context import WorkerContext
from cinemill.worker.messages.throttle import ThrottledLog

INTERVAL_SECONDS = 10.0
FIRST_SECONDS = 5.0
"""How long a worker waits for its first report, after which it counts as ready in any case."""
END_SECONDS = 3.0

often = ThrottledLog(__name__)


class Reporter:
    """A thread next to the worker's consumer."""

    def __init__(self, context: WorkerContext) -> None:
        """Start nothing yet."""
        self._context = context
        self._consumer: Any = None
        self._stopping = threading.Event()
        self._has_tried = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, sender: Any, **_: Any) -> None:
        """Start the thread; ``sender`` is Celery's consumer, now ready.

        Returns when the first report is written, so that who is told that the worker is ready sees
        it; without waiting for long where Redis does not respond.
        """
        if self._context.settings.redis_url is None:
            return
        self._consumer = sender
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)
        self._thread.start()
        self._has_tried.wait(FIRST_SECONDS)

    def stop(self) -> None:
        """Request the last report, without waiting; safe in a signal handler."""
        self._stopping.set()

    def end(self) -> None:
        """Stop, and wait for the thread, since the process ends next."""
        self.stop()
        if self._thread is not None:
            self._thread.join(END_SECONDS)

    def _run(self) -> None:
        with closing(LiveWorkers(self._context.redis_url)) as reports:
            while not self._stopping.is_set():
                self._report(reports)
                self._has_tried.set()
                self._stopping.wait(INTERVAL_SECONDS)
            reports.withdraw(self._consumer.hostname)

    def _report(self, reports: LiveWorkers) -> None:
        try:
            reports.write(self._describe())
        except CinemillError as error:
            often.warning("not reported", about="report", why=error.message)
        except Exception as error:  # noqa: BLE001 - a worker works without its report
            often.error("not reported", about="report failed", exc_info=error)

    def _describe(self) -> LiveWorker:
        tasks = self._consumer.task_consumer
        queues = self._consumer.app.amqp.queues.consume_from
        pool = self._consumer.pool
        maximum = getattr(self._consumer.controller, "max_concurrency", None)
        return LiveWorker(
            node=self._consumer.hostname,
            host=socket.gethostname(),
            slots=int(maximum or pool.num_processes),
            busy=len(state.active_requests),
            queues=tuple(name for name in sorted(queues) if tasks and tasks.consuming_from(name)),
            gpus=_read_gpus(),
            memory_bytes=measure_tree_bytes(),
        )


def _read_gpus() -> tuple[GpuFigures, ...]:
    """Return the GPUs, but do not let a driver that hung at the start stop the reports."""
    return () if is_driver_silent() else tuple(GpuFigures(**gpu) for gpu in list_gpus())
