"""The lifecycle of a worker's processes: fresh connections, no orphans, work released."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery import Celery, bootsteps, signals
from celery.utils.log import current_process_index

from cinemill.capabilities.operations.work_folders import remove_abandoned_work
from cinemill.errors import CinemillError
from cinemill.inference.sessions.devices import ProcessPlace
from cinemill.inference.sessions.process_device import GpuOptions, learn_devices, prepare_process
from cinemill.storage.database import Database
from cinemill.telemetry import configure_logging, get_logger
from cinemill.worker.context import WorkerContext
from cinemill.worker.hardware.monitor import HardwareMonitor
from cinemill.worker.process.commands import adapt_commands
from cinemill.worker.process.pulse import Pulse
from cinemill.worker.process.removal import start_remover
from cinemill.worker.process.reporter import Reporter
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
    app.steps["worker"].add(LastReports)


class LastReports(bootsteps.StartStopStep):
    """Lets a worker's threads finish their last reports: its hardware and itself are gone.

    Celery sends ``worker_shutdown`` after a warm shutdown only. After a cold one, which is how ours
    stop, the process ended while the threads were still writing.
    """

    requires = ("celery.worker.components:Pool",)

    def stop(self, parent: Any) -> None:
        """Wait for the threads next to the consumer of ``parent``, Celery's worker."""
        parent.app.cinemill_signals.end_main()

    def terminate(self, parent: Any) -> None:
        """Wait for them in a cold shutdown, too."""
        self.stop(parent)


class ProcessSignals:
    """The handlers of one application for Celery's signals that its processes start or stop."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._context: WorkerContext = app.context
        self._main_pid = os.getpid()
        self._hardware = HardwareMonitor(self._context)
        self._pulse = Pulse(self._context)
        self._reporter = Reporter(self._context)
        self._ignores_hangup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

    def connect(self) -> None:
        signals.worker_process_init.connect(self.start_child)
        signals.worker_init.connect(self.start_main)
        signals.worker_shutting_down.connect(self.stop_main)
        signals.setup_logging.connect(self.set_up_logging)
        signals.beat_init.connect(self.start_beat)
        signals.worker_ready.connect(self._hardware.start)
        signals.worker_ready.connect(self._pulse.start)
        signals.worker_ready.connect(self._reporter.start)
        signals.worker_ready.connect(self.stop_at_hangup)
        signals.worker_ready.connect(signal_ready)

    def start_child(self, **_: Any) -> None:
        if os.getpid() == self._main_pid:
            return  # the solo pool sends this signal too, and works in the main process
        die_with_parent()
        self._prepare_gpu(current_process_index(base=0) or 0)
        self._context.forget_connections()
        signals.task_prerun.connect(self.on_stop_signal)
        remove_abandoned_work(self._context.database, self._context.work_folder)
        connect_early(self._context.database)

    def _prepare_gpu(self, process_index: int) -> None:
        place = ProcessPlace(process_index, self._context.slots)
        prepare_process(self._read_gpu_options(), place)

    def _read_gpu_options(self) -> GpuOptions:
        settings = self._context.settings
        return GpuOptions(
            visible=settings.cuda_visible_devices,
            mig_enabled=settings.mig_enabled,
            memory_fraction=settings.gpu_memory_fraction,
            home=settings.home,
        )

    def on_stop_signal(self, **_: Any) -> None:
        # Only now: after worker_process_init, billiard replaces signal handlers with its own.
        # With REMAP_SIGTERM=SIGQUIT a worker that has to stop sends its children SIGQUIT.
        for number in (signal.SIGTERM, signal.SIGQUIT):
            signal.signal(number, lambda *_: release_current(self._context))

    def start_main(self, sender: Any, **_: Any) -> None:
        adapt_commands()
        # Before the pool forks: its processes share the imported modules, and each starts at once
        # instead of after a quarter of a second of CPU time.
        self._context.preload_handlers()
        # Here, since Celery kills a pool process that is not up in four seconds, which a slow
        # driver may take. Processes forked at any later time inherit the answer.
        learn_devices(self._read_gpu_options())
        # The pool collects garbage before each fork, while no message is read. What is there by
        # now stays for good, and need not be searched each time.
        gc.collect()
        gc.freeze()
        if self._context.settings.celery_worker_pool == "solo":
            self._prepare_gpu(0)
        remove_abandoned_work(self._context.database, self._context.work_folder)
        self._hardware.find(sender)

    def stop_at_hangup(self, **_: Any) -> None:
        """Have the end of the terminal stop this worker as SIGTERM does.

        Celery would end at once and lose its leases, or restart itself in a way that does not find
        our modules. Under nohup it goes on.
        """
        hangup = signal.SIG_IGN if self._ignores_hangup else signal.getsignal(signal.SIGTERM)
        signal.signal(signal.SIGHUP, hangup)

    def stop_main(self, **_: Any) -> None:
        self._hardware.stop()
        self._reporter.stop()
        # In a solo pool this releases the current work; in other pools this process has none.
        self._context.stop_work("The worker is stopping.")

    def end_main(self) -> None:
        """Wait until the worker's last reports are written, for a limited time."""
        self._hardware.end()
        self._reporter.end()

    def set_up_logging(self, **_: Any) -> None:
        # The first of all signals; beat opens its schedule in this folder, on any machine.
        settings = self._context.settings
        (settings.home / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
        configure_logging(
            "worker", level=settings.log_level, log_file=settings.home / "log" / "worker.log"
        )

    def start_beat(self, **_: Any) -> None:
        start_relay(self._app)
        start_remover(self._context)
        signal_ready()


def signal_ready(**_: Any) -> None:
    """Create the file that the supervisor waits for, if it named one."""
    if path := os.environ.get(READY_FILE):
        Path(path).touch()


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies (prctl 2).

    This works on Linux only; elsewhere a pool process ends when its task does.
    """
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # it died in between, and no signal will come


def connect_early(database: Database) -> None:
    """Open a connection for the first task before it comes, in a thread.

    A server that does not respond must not delay the process, which Celery would then replace; its
    first task waits for the server in any case.
    """

    def ping() -> None:
        with suppress(CinemillError):
            database.ping()

    threading.Thread(target=ping, name="connect early", daemon=True).start()


def release_current(context: WorkerContext) -> None:
    """Release the current work, which counts as no attempt; exit if there is none."""
    if not context.stop_work("The worker is stopping."):
        os._exit(0)
