"""One asyncio supervisor: what can start together does, what ends comes back, stop is in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cinemill.local.supervisor.backoff import Backoff
from cinemill.local.supervisor.liveness import Liveness
from cinemill.local.supervisor.logs import rotate_logs
from cinemill.local.supervisor.process import ManagedProcess, SupervisorContext
from cinemill.local.supervisor.reaper_client import ReaperClient
from cinemill.local.supervisor.spec import ServiceSpec, check_services, stop_order
from cinemill.local.supervisor.status import StatusLines

ROTATION_SECONDS = 10.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Services under one roof. Use it from the main thread: death signals follow the thread."""

    def __init__(
        self,
        specs: Sequence[ServiceSpec],
        *,
        log_folder: Path,
        status: StatusLines | None = None,
        backoff: Backoff | None = None,
        liveness: Liveness | None = None,
    ) -> None:
        check_services(specs)
        self._specs = tuple(specs)
        self._log_folder = log_folder
        self._status = status or StatusLines()
        self._backoff = backoff or Backoff()
        self._liveness = liveness or Liveness()
        self._stop_asked = asyncio.Event()
        self._hurry = asyncio.Event()
        self._services: dict[str, ManagedProcess] = {}

    def ask_stop(self) -> None:
        """Stop in order; asked a second time, without grace for what still works."""
        if self._stop_asked.is_set():
            self._status.say("Stopping at once.")
            self._hurry.set()
        self._stop_asked.set()

    def pids(self) -> dict[str, int]:
        """Process ids of what runs now, by service name."""
        found = {name: service.pid for name, service in self._services.items()}
        return {name: pid for name, pid in found.items() if pid is not None}

    async def run(self, on_ready: Callable[[], None] | None = None) -> None:
        """Start everything, call ``on_ready`` when all of it is ready, run until asked to stop.

        Raises PartUnavailable where a part never gets ready; all is stopped then too.
        """
        with ReaperClient() as watch, self._signals_caught():
            around = SupervisorContext(
                watch, self._status, self._backoff, self._liveness, force_stop=self._hurry
            )
            self._services = {spec.name: ManagedProcess(spec, around) for spec in self._specs}
            lives = [asyncio.create_task(self._live(one)) for one in self._services.values()]
            rotation = asyncio.create_task(self._rotate_logs())
            try:
                await self._first_of(self._announce(on_ready), lives)
                await self._first_of(self._stop_asked.wait(), lives)
            finally:
                rotation.cancel()
                await self._stop_in_order(lives)

    async def _live(self, service: ManagedProcess) -> None:
        await service.run([self._services[name] for name in service.spec.needs])

    async def _announce(self, on_ready: Callable[[], None] | None) -> None:
        for service in self._services.values():
            await service.ready.wait()
        if on_ready is not None:
            on_ready()

    async def _first_of(self, goal: Awaitable[Any], lives: list[asyncio.Task[None]]) -> None:
        """Wait for the goal, for a wish to stop, or for a life that failed, which is raised."""
        goals = [asyncio.ensure_future(goal), asyncio.ensure_future(self._stop_asked.wait())]
        waiting: set[asyncio.Future[Any]] = {*goals, *lives}
        try:
            while not any(task.done() for task in goals):
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in goals:
                task.cancel()

    async def _stop_in_order(self, lives: list[asyncio.Task[None]]) -> None:
        self._stop_asked.set()
        for service in self._services.values():
            service.cancel_start()
        for group in stop_order(self._specs):
            await asyncio.gather(*(self._services[spec.name].stop() for spec in group))
        await asyncio.gather(*lives, return_exceptions=True)

    async def _rotate_logs(self) -> None:
        while True:
            await asyncio.sleep(ROTATION_SECONDS)
            with suppress(OSError):  # a full disk must not end the mill; the log says less then
                await asyncio.to_thread(rotate_logs, self._log_folder)

    @contextmanager
    def _signals_caught(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self.ask_stop)
        try:
            yield
        finally:
            for number in STOP_SIGNALS:
                loop.remove_signal_handler(number)
