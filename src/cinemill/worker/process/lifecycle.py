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
from cinemill.worker.context import Mill
from cinemill.worker.hardware.monitor import HardwareMonitor
from cinemill.worker.process.pulse import Pulse

PR_SET_PDEATHSIG = 1
READY_FILE = "CINEMILL_READY_FILE"

log = get_logger(__name__)


def connect_signals(app: Celery) -> None:
    """Celery keeps weak references, so the handlers hang on the application."""
    mill: Mill = app.mill
    main_pid = os.getpid()

    def start_child(**_: Any) -> None:
        if os.getpid() == main_pid:
            return  # the solo pool says so too, and works in the main process
        die_with_parent()
        mill.forget_connections()
        signals.task_prerun.connect(on_stop_signal)
        remove_abandoned_work(mill.database, mill.work_folder)

    def on_stop_signal(**_: Any) -> None:
        # Only now: after worker_process_init, billiard puts handlers of its own in place of ours.
        # Under REMAP_SIGTERM=SIGQUIT a worker that is told to stop tells its children by SIGQUIT.
        for number in (signal.SIGTERM, signal.SIGQUIT):
            signal.signal(number, lambda *_: hand_back(mill))

    keeper = HardwareMonitor(mill)
    pulse = Pulse(mill)

    def start_main(sender: Any, **_: Any) -> None:
        # Before the pool forks: its processes share what they work with, and each begins at once
        # instead of after a quarter of a second of CPU.
        mill.preload_handlers()
        remove_abandoned_work(mill.database, mill.work_folder)
        keeper.find(sender)

    def stop_main(**_: Any) -> None:
        keeper.stop()
        # Of a solo pool: its work under way is handed back. Elsewhere the main process has none.
        mill.stop_work("The worker was told to stop.")

    def set_up_logging(**_: Any) -> None:
        # The first of all signals: beat opens its schedule in there, on whatever machine it runs.
        (mill.settings.home / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
        configure_logging(
            "worker",
            level=mill.settings.log_level,
            log_file=mill.settings.home / "log" / "worker.log",
        )

    def start_beat(**_: Any) -> None:
        from cinemill.worker.relay import start_relay

        start_relay(app)
        signal_ready()

    app.cinemill_signal_handlers = (
        *(start_child, on_stop_signal, start_main, stop_main, set_up_logging, start_beat),
        *(keeper, pulse, signal_ready),
    )
    signals.worker_process_init.connect(start_child)
    signals.worker_init.connect(start_main)
    signals.worker_shutting_down.connect(stop_main)
    signals.setup_logging.connect(set_up_logging)
    signals.beat_init.connect(start_beat)
    signals.worker_ready.connect(keeper.start)
    signals.worker_ready.connect(pulse.start)
    signals.worker_shutdown.connect(keeper.end)
    signals.worker_ready.connect(signal_ready)


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


def hand_back(mill: Mill) -> None:
    """Told to go: the work under way stops and is queued again, counted against nobody."""
    if not mill.stop_work("The worker was told to stop."):
        os._exit(0)
