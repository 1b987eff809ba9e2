"""A worker's processes from birth to death: fresh connections, no orphans, work handed back."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import Any

from celery import Celery, signals

from cinemill.capabilities.operations.work_folders import remove_abandoned_work
from cinemill.telemetry import configure_logging, get_logger
from cinemill.worker.context import WorkerContext
from cinemill.worker.hardware.monitor import HardwareMonitor
from cinemill.worker.process.pulse import Pulse
from cinemill.worker.relay import start_relay

PR_SET_PDEATHSIG = 1
READY_FILE = "CINEMILL_READY_FILE"

log = get_logger(__name__)


def connect_signals(app: Celery) -> None:
    """Connect a worker's and beat's processes to Celery's signals.

    Celery keeps weak references to what is connected, so the application holds it.
    """
    app.cinemill_signals = ProcessSignals(app)
    app.cinemill_signals.connect()


class ProcessSignals:
    """What the processes of one application do when Celery signals that they begin or end."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._context: WorkerContext = app.context
        self._main_pid = os.getpid()
        self._hardware = HardwareMonitor(self._context)
        self._pulse = Pulse(self._context)

    def connect(self) -> None:
        signals.worker_process_init.connect(self.start_child)
        signals.worker_init.connect(self.start_main)
        signals.worker_shutting_down.connect(self.stop_main)
        signals.setup_logging.connect(self.set_up_logging)
        signals.beat_init.connect(self.start_beat)
        signals.worker_ready.connect(self._hardware.start)
        signals.worker_ready.connect(self._pulse.start)
        signals.worker_shutdown.connect(self._hardware.end)
        signals.worker_ready.connect(signal_ready)

    def start_child(self, **_: Any) -> None:
        if os.getpid() == self._main_pid:
            return  # the solo pool says so too, and works in the main process
        die_with_parent()
        self._context.forget_connections()
        signals.task_prerun.connect(self.on_stop_signal)
        remove_abandoned_work(self._context.database, self._context.work_folder)

    def on_stop_signal(self, **_: Any) -> None:
        # Only now: after worker_process_init, billiard puts handlers of its own in place of ours.
        # Under REMAP_SIGTERM=SIGQUIT a worker that has to stop sends its children SIGQUIT.
        for number in (signal.SIGTERM, signal.SIGQUIT):
            signal.signal(number, lambda *_: release_current(self._context))

    def start_main(self, sender: Any, **_: Any) -> None:
        # Before the pool forks: its processes share what they work with, and each begins at once
        # instead of after a quarter of a second of CPU.
        self._context.preload_handlers()
        remove_abandoned_work(self._context.database, self._context.work_folder)
        self._hardware.find(sender)

    def stop_main(self, **_: Any) -> None:
        self._hardware.stop()
        # Of a solo pool: its work under way is handed back. Elsewhere the main process has none.
        self._context.stop_work("The worker was told to stop.")

    def set_up_logging(self, **_: Any) -> None:
        # The first of all signals: beat opens its schedule in there, on whatever machine it runs.
        settings = self._context.settings
        (settings.home / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
        configure_logging(
            "worker", level=settings.log_level, log_file=settings.home / "log" / "worker.log"
        )

    def start_beat(self, **_: Any) -> None:
        start_relay(self._app)
        signal_ready()


def signal_ready(**_: Any) -> None:
    """Make the file that the supervisor waits for, where it named one."""
    if path := os.environ.get(READY_FILE):
        Path(path).touch()


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies; its own children likewise (prctl 2).

    Linux only; elsewhere a pool process ends when its task does.
    """
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # it died in between, and no signal will come


def release_current(context: WorkerContext) -> None:
    """Told to go: the work under way stops and is queued again, counted against nobody."""
    if not context.stop_work("The worker was told to stop."):
        os._exit(0)
