"""The life of one supervised child: started, probed, restarted with backoff, stopped."""

from __future__ import annotations

import asyncio
import signal
import time
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from cinemill.errors import CinemillError, DependencyUnavailable
from cinemill.local.supervisor.backoff import Backoff
from cinemill.local.supervisor.children import (
    PRIVATE_UMASK,
    signal_group,
    signal_process,
    wrap_command,
)
from cinemill.local.supervisor.exit_report import EXIT_FINAL, read_exit_report
from cinemill.local.supervisor.liveness import Liveness
from cinemill.local.supervisor.logs import open_log, read_tail
from cinemill.local.supervisor.reaper_client import ReaperClient
from cinemill.local.supervisor.service_reports import ServiceReports
from cinemill.local.supervisor.spec import ServiceSpec
from cinemill.local.supervisor.status import StatusLines, describe_exit

POLL_SECONDS = 0.05
START_ATTEMPTS = 3
"""After so many failures of a service that never was ready, the start is abandoned."""


@dataclass
class SupervisorContext:
    """What all services of one supervisor share."""

    reaper: ReaperClient
    status: StatusLines
    backoff: Backoff = field(default_factory=Backoff)
    liveness: Liveness = field(default_factory=Liveness)
    reports: ServiceReports = field(default_factory=ServiceReports)
    random: Random = field(default_factory=Random)
    force_stop: asyncio.Event = field(default_factory=asyncio.Event)
    """When set, the grace is over for every service that is being stopped."""


class ManagedProcess:
    """One child and its restarts: ``run`` keeps it running, ``stop`` ends it."""

    def __init__(self, spec: ServiceSpec, context: SupervisorContext) -> None:
        self.spec = spec
        self.ready = asyncio.Event()
        self.failures = 0
        self._context = context
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._was_ready = False
        self._problem: CinemillError | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs, else None."""
        return self._process.pid if self._process else None

    async def run(self, needs: Sequence[ManagedProcess]) -> None:
        """Wait for the services it needs, then keep it running until ``stop``, or once until done.

        Raises DependencyUnavailable (or what ``prepare`` raised) if it never becomes ready.
        """
        for needed in needs:
            await self._wait_unless_stopped(needed.ready)
        if self._stopping.is_set():
            return
        began = time.monotonic()
        if self.spec.prepare is not None:
            await asyncio.to_thread(self.spec.prepare)
        while not self._stopping.is_set():
            started = time.monotonic()
            code = await self._run_once(began)
            if self._stopping.is_set():
                return
            if self.spec.once and code == 0:
                self._mark_ready(began)
                return
            await self._fail(code, time.monotonic() - started)
            began = time.monotonic()

    def cancel_start(self) -> None:
        """Prevent the next start if it does not run now."""
        if self._process is None:
            self._stopping.set()

    async def stop(self) -> None:
        """Send the stop signal, kill the whole group after the grace, return when it is gone."""
        self._stopping.set()
        if self._process is None:
            return
        began = time.monotonic()
        signal_process(self._process.pid, self.spec.stop_signal)
        forced = not await self._exits_in_grace()
        if forced:
            signal_group(self._process.pid, signal.SIGKILL)
            await self._ended.wait()
        self._context.status.stopped(self.spec.label, time.monotonic() - began, forced=forced)

    async def _run_once(self, began: float) -> int:
        """Run one process from start to end and return its exit code."""
        process = await self._start()
        monitor = asyncio.create_task(self._monitor(process, began))
        try:
            return await process.wait()
        finally:
            monitor.cancel()
            self.ready.clear()
            signal_group(process.pid, signal.SIGKILL)  # children that it left behind
            self._context.reaper.remove(process.pid)
            self._process = None
            self._ended.set()

    async def _start(self) -> Process:
        spec = self.spec
        self._ended.clear()
        self._problem = None
        if spec.ready_file is not None:
            spec.ready_file.unlink(missing_ok=True)
        with open_log(spec.log_file) as log:
            self._process = await asyncio.create_subprocess_exec(
                *wrap_command(spec.command, death_signal=spec.death_signal, identity=spec.identity),
                stdin=DEVNULL,
                stdout=log,
                stderr=STDOUT,
                start_new_session=True,
                umask=PRIVATE_UMASK,
                env=None if spec.environment is None else dict(spec.environment),
            )
        self._context.reaper.add(self._process.pid, spec.death_signal, spec.grace_seconds)
        if self._stopping.is_set():  # stopped while it was being started
            signal_group(self._process.pid, signal.SIGKILL)
        return self._process

    async def _monitor(self, process: Process, began: float) -> None:
        """Wait until the running process is ready, then check its liveness until it freezes."""
        if self.spec.once:
            return
        await self._await_ready(process, began)
        if self.ready.is_set() and self.spec.is_alive is not None:
            seconds = await self._await_freeze(self.spec.is_alive, process.pid)
            await self._kill_frozen(process.pid, seconds)

    async def _await_ready(self, process: Process, began: float) -> None:
        if not await self._becomes_ready():
            self._problem = DependencyUnavailable(
                f"{self.spec.label} was not ready after {self.spec.start_seconds:.0f} s."
            )
            signal_group(process.pid, signal.SIGKILL)
            return
        try:
            if self.spec.finish_start is not None:
                await asyncio.to_thread(self.spec.finish_start)
        except CinemillError as problem:
            self._problem = problem
            signal_process(process.pid, self.spec.stop_signal)
            return
        self._mark_ready(began)

    async def _becomes_ready(self) -> bool:
        deadline = time.monotonic() + self.spec.start_seconds
        while not await self._is_ready():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True

    async def _is_ready(self) -> bool:
        if self.spec.ready_file is not None and not self.spec.ready_file.exists():
            return False
        return self.spec.probe is None or await asyncio.to_thread(self.spec.probe)

    async def _await_freeze(self, is_alive: Callable[[int], bool], pid: int) -> float:
        """Wait until too many checks in a row have failed; return how many seconds that took."""
        liveness = self._context.liveness
        missed, alive_at = 0, time.monotonic()
        while missed < liveness.misses:
            await asyncio.sleep(liveness.interval_seconds)
            missed += 1
            if await asyncio.to_thread(is_alive, pid):
                missed, alive_at = 0, time.monotonic()
        return time.monotonic() - alive_at

    async def _kill_frozen(self, pid: int, seconds: float) -> None:
        """Stop the whole group, so that its live processes exit gracefully; then kill it.

        A service that is being stopped anyway is left to ``stop``, which has its own grace.
        """
        if self._stopping.is_set():
            return
        self._problem = DependencyUnavailable(
            f"{self.spec.label} did not respond for {seconds:.0f} s."
        )
        signal_group(pid, self.spec.stop_signal)
        await wait_for_any(self._stopping, for_seconds=self._context.liveness.grace_seconds)
        signal_group(pid, signal.SIGKILL)

    def _mark_ready(self, began: float) -> None:
        self._was_ready = True
        self.ready.set()
        self._context.reports.note(self.spec, is_ready=True)
        self._context.status.ready(self.spec.label, time.monotonic() - began)

    async def _fail(self, code: int, ran_seconds: float) -> None:
        """Count and report the failure, then wait. Raises if the service will never start."""
        backoff, status = self._context.backoff, self._context.status
        self.failures = backoff.count_failures(self.failures, ran_seconds)
        how = self._problem.message if self._problem else describe_exit(code)
        final = self.spec.once and code == EXIT_FINAL
        if not self._was_ready and (final or self.failures >= START_ATTEMPTS):
            raise self._failure_message(how)
        delay = backoff.plan_delay(self.failures, self._context.random)
        if backoff.is_crash_loop(self.failures):
            status.crash_loop(self.spec.label, self.failures, how, read_tail(self.spec.log_file))
        status.restarting(self.spec.label, how, delay)
        self._context.reports.note(self.spec, is_ready=False, how=how)
        await wait_for_any(self._stopping, for_seconds=delay)

    def _failure_message(self, how: str) -> CinemillError:
        """Return why it did not start, from the child's own exit report if it left one."""
        tail = read_tail(self.spec.log_file, lines=8)
        reported = read_exit_report(tail) if self.spec.once else None
        if reported is not None:
            return reported
        return self._problem or DependencyUnavailable(
            f"{self.spec.label} did not start: it {how}.\n{tail}",
            hint=f"See its log, {self.spec.log_file}, then start Cinemill again.",
        )

    async def _exits_in_grace(self) -> bool:
        """Return whether it exited within its grace, which a forced stop cuts short."""
        force_stop = [self._context.force_stop] if self.spec.can_force_stop else []
        await wait_for_any(self._ended, *force_stop, for_seconds=self.spec.grace_seconds)
        return self._ended.is_set()

    async def _wait_unless_stopped(self, event: asyncio.Event) -> None:
        await wait_for_any(event, self._stopping)


async def wait_for_any(*events: asyncio.Event, for_seconds: float | None = None) -> None:
    """Wait until one of the events is set or ``for_seconds`` have passed."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=for_seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
