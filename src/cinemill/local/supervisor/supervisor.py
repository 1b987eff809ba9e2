"""An asyncio supervisor that starts services in parallel, restarts them and stops them in order."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cinemill.local.supervisor.backoff import Backoff
from cinemill.local.supervisor.liveness import Liveness
from cinemill.local.supervisor.logs import rotate_logs
from cinemill.local.supervisor.process import ManagedProcess, SupervisorContext
from cinemill.local.supervisor.reaper_client import ReaperClient
from cinemill.local.supervisor.service_reports import ServiceReports
from cinemill.local.supervisor.spec import ServiceSpec, check_services, stop_order
from cinemill.local.supervisor.status import StatusLines

ROTATION_SECONDS = 10.0
STOP_SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGQUIT,
    signal.SIGHUP,
    # Init systems announce a power failure with the first. The second is what systemd as an init
    # understands, so Podman and LXC stop containers with it; elsewhere it means the same.
    *([signal.SIGPWR, signal.SIGRTMIN + 3] if sys.platform == "linux" else []),
)
IGNORED_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)
"""What tools for log files send to have them opened again; by default they end a process."""


class Supervisor:
    """Runs services. Use it from the main thread: death signals are sent when the thread ends."""

    def __init__(
        self,
        specs: Sequence[ServiceSpec],
        *,
        log_folder: Path,
        status: StatusLines | None = None,
        backoff: Backoff | None = None,
        liveness: Liveness | None = None,
        reports: ServiceReports | None = None,
    ) -> None:
        check_services(specs)
        self._specs = tuple(specs)
        self._log_folder = log_folder
        self._status = status or StatusLines()
        self._backoff = backoff or Backoff()
        self._liveness = liveness or Liveness()
        self._reports = reports or ServiceReports()
        self._stop_requested = asyncio.Event()
        self._force_stop = asyncio.Event()
        self._services: dict[str, ManagedProcess] = {}

    def request_stop(self) -> None:
        """Stop in order; if called a second time, end the grace of services that still work."""
        if self._stop_requested.is_set():
            self._status.say("Stopping at once.")
            self._force_stop.set()
        self._stop_requested.set()

    def pids(self) -> dict[str, int]:
        """Return the process ids of the services that run now, by name."""
        found = {name: service.pid for name, service in self._services.items()}
        return {name: pid for name, pid in found.items() if pid is not None}

    async def run(self, on_ready: Callable[[], None] | None = None) -> None:
        """Start every service, call ``on_ready`` when all are ready, run until a stop is requested.

        Raises DependencyUnavailable if a service never becomes ready; all are stopped then too.
        """
        with ReaperClient() as reaper, self._signals_caught():
            context = SupervisorContext(
                reaper,
                self._status,
                self._backoff,
                self._liveness,
                self._reports,
                force_stop=self._force_stop,
            )
            self._reports.begin(self._specs)
            self._services = {spec.name: ManagedProcess(spec, context) for spec in self._specs}
            runs = [asyncio.create_task(self._run_service(one)) for one in self._services.values()]
            rotation = asyncio.create_task(self._rotate_logs())
            try:
                await self._first_of(self._announce(on_ready), runs)
                await self._first_of(self._stop_requested.wait(), runs)
            finally:
                rotation.cancel()
                self._reports.end()
                await self._stop_in_order(runs)

    async def _run_service(self, service: ManagedProcess) -> None:
        await service.run([self._services[name] for name in service.spec.needs])

    async def _announce(self, on_ready: Callable[[], None] | None) -> None:
        for service in self._services.values():
            await service.ready.wait()
        if on_ready is not None:
            on_ready()

    async def _first_of(self, goal: Awaitable[Any], runs: list[asyncio.Task[None]]) -> None:
        """Wait for the goal or for a stop request; raise the error of a service that failed."""
        goals = [asyncio.ensure_future(goal), asyncio.ensure_future(self._stop_requested.wait())]
        waiting: set[asyncio.Future[Any]] = {*goals, *runs}
        try:
            while not any(task.done() for task in goals):
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in goals:
                task.cancel()

    async def _stop_in_order(self, runs: list[asyncio.Task[None]]) -> None:
        self._stop_requested.set()
        for service in self._services.values():
            service.cancel_start()
        for group in stop_order(self._specs):
            await asyncio.gather(*(self._services[spec.name].stop() for spec in group))
        await asyncio.gather(*runs, return_exceptions=True)

    async def _rotate_logs(self) -> None:
        while True:
            await asyncio.sleep(ROTATION_SECONDS)
            with suppress(OSError):  # a full disk must not end the instance, only its logs suffer
                await asyncio.to_thread(rotate_logs, self._log_folder)

    @contextmanager
    def _signals_caught(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        handlers: dict[int, Callable[[], None]] = {
            **dict.fromkeys(STOP_SIGNALS, self.request_stop),
            **dict.fromkeys(IGNORED_SIGNALS, _do_nothing),
        }
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
            del handlers[signal.SIGHUP]  # under nohup: the end of its terminal must not stop it
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)


def _do_nothing() -> None:
    # A handler and not SIG_IGN, which the services would inherit.
    pass
