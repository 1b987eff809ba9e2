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
from cinemill.local.supervisor.children import signal_group, signal_process, wrap_command
from cinemill.local.supervisor.exit_report import EXIT_FINAL, read_complaint
from cinemill.local.supervisor.liveness import Liveness
from cinemill.local.supervisor.logs import open_log, read_tail
from cinemill.local.supervisor.reaper_client import ReaperClient
from cinemill.local.supervisor.spec import ServiceSpec
from cinemill.local.supervisor.status import StatusLines, describe_exit

POLL_SECONDS = 0.05
FIRST_TRIES = 3
"""A service that ended so often and never was ready will not become so: the start is given up."""


@dataclass
class SupervisorContext:
    """What all services of one supervisor share."""

    watch: ReaperClient
    status: StatusLines
    backoff: Backoff = field(default_factory=Backoff)
    liveness: Liveness = field(default_factory=Liveness)
    random: Random = field(default_factory=Random)
    force_stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Set: grace is over for everything that is being stopped."""


class ManagedProcess:
    """One child and its restarts. ``run`` is its life; ``stop`` ends it."""

    def __init__(self, spec: ServiceSpec, around: SupervisorContext) -> None:
        self.spec = spec
        self.ready = asyncio.Event()
        self.failures = 0
        self._around = around
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._was_ready = False
        self._problem: CinemillError | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process else None

    async def run(self, needs: Sequence[ManagedProcess]) -> None:
        """Wait for what it needs, then keep it running until ``stop``, or once until done.

        Raises PartUnavailable (or what ``prepare`` raised) where it never gets ready.
        """
        for needed in needs:
            await self._unless_stopped(needed.ready)
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
        """If it does not run now, it will not be started any more."""
        if self._process is None:
            self._stopping.set()

    async def stop(self) -> None:
        """Stop signal, grace, then SIGKILL of the whole group; returns when it is gone."""
        self._stopping.set()
        if self._process is None:
            return
        began = time.monotonic()
        signal_process(self._process.pid, self.spec.stop_signal)
        forced = not await self._ends_in_grace()
        if forced:
            signal_group(self._process.pid, signal.SIGKILL)
            await self._ended.wait()
        self._around.status.stopped(self.spec.label, time.monotonic() - began, forced=forced)

    async def _run_once(self, began: float) -> int:
        """One process from start to end; its exit code."""
        process = await self._start()
        care = asyncio.create_task(self._monitor(process, began))
        try:
            return await process.wait()
        finally:
            care.cancel()
            self.ready.clear()
            signal_group(process.pid, signal.SIGKILL)  # what its leader left behind
            self._around.watch.forget(process.pid)
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
                env=None if spec.environment is None else dict(spec.environment),
            )
        self._around.watch.add(self._process.pid, spec.death_signal, spec.grace_seconds)
        if self._stopping.is_set():  # asked to stop while it was being started
            signal_group(self._process.pid, signal.SIGKILL)
        return self._process

    async def _monitor(self, process: Process, began: float) -> None:
        """While it runs: wait until it is ready, then see that it lives."""
        if self.spec.once:
            return
        await self._await_ready(process, began)
        if self.ready.is_set() and self.spec.lives is not None:
            seconds = await self._await_standstill(self.spec.lives, process.pid)
            await self._end_frozen(process.pid, seconds)

    async def _await_ready(self, process: Process, began: float) -> None:
        if not await self._answers_in_time():
            self._problem = DependencyUnavailable(
                f"{self.spec.label} was not ready after {self.spec.start_seconds:.0f} s."
            )
            signal_group(process.pid, signal.SIGKILL)
            return
        try:
            if self.spec.settle is not None:
                await asyncio.to_thread(self.spec.settle)
        except CinemillError as problem:
            self._problem = problem
            signal_process(process.pid, self.spec.stop_signal)
            return
        self._mark_ready(began)

    async def _answers_in_time(self) -> bool:
        deadline = time.monotonic() + self.spec.start_seconds
        while not await self._answers():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True

    async def _answers(self) -> bool:
        if self.spec.ready_file is not None and not self.spec.ready_file.exists():
            return False
        return self.spec.probe is None or await asyncio.to_thread(self.spec.probe)

    async def _await_standstill(self, lives: Callable[[int], bool], pid: int) -> float:
        """Return when it has not lived so many times in a row; for how many seconds."""
        liveness = self._around.liveness
        missed, lived_at = 0, time.monotonic()
        while missed < liveness.misses:
            await asyncio.sleep(liveness.interval_seconds)
            missed += 1
            if await asyncio.to_thread(lives, pid):
                missed, lived_at = 0, time.monotonic()
        return time.monotonic() - lived_at

    async def _end_frozen(self, pid: int, seconds: float) -> None:
        """The whole group is told to stop, so that who is not frozen can end in order; then it is
        killed. One that is being stopped has a grace of its own."""
        if self._stopping.is_set():
            return
        self._problem = DependencyUnavailable(
            f"{self.spec.label} did not respond for {seconds:.0f} s."
        )
        signal_group(pid, self.spec.stop_signal)
        await wait_for_any(self._stopping, for_seconds=self._around.liveness.grace_seconds)
        signal_group(pid, signal.SIGKILL)

    def _mark_ready(self, began: float) -> None:
        self._was_ready = True
        self.ready.set()
        self._around.status.ready(self.spec.label, time.monotonic() - began)

    async def _fail(self, code: int, ran_seconds: float) -> None:
        """Count, tell, wait. Raises where the service will never start."""
        backoff, status = self._around.backoff, self._around.status
        self.failures = backoff.count_failures(self.failures, ran_seconds)
        how = self._problem.message if self._problem else describe_exit(code)
        final = self.spec.once and code == EXIT_FINAL
        if not self._was_ready and (final or self.failures >= FIRST_TRIES):
            raise self._failure_message(how)
        delay = backoff.plan_delay(self.failures, self._around.random)
        if backoff.is_crash_loop(self.failures):
            status.crash_loop(self.spec.label, self.failures, how, read_tail(self.spec.log_file))
        status.restarting(self.spec.label, how, delay)
        await wait_for_any(self._stopping, for_seconds=delay)

    def _failure_message(self, how: str) -> CinemillError:
        """Why it did not start: the child's own words where it left some."""
        tail = read_tail(self.spec.log_file, lines=8)
        told = read_complaint(tail) if self.spec.once else None
        if told is not None:
            return told
        return self._problem or DependencyUnavailable(
            f"{self.spec.label} did not start: it {how}.\n{tail}",
            hint=f"See its log, {self.spec.log_file}, then start Cinemill again.",
        )

    async def _ends_in_grace(self) -> bool:
        """Whether it ended before its grace did, or the hurry came."""
        force_stop = [self._around.force_stop] if self.spec.may_hurry else []
        await wait_for_any(self._ended, *force_stop, for_seconds=self.spec.grace_seconds)
        return self._ended.is_set()

    async def _unless_stopped(self, event: asyncio.Event) -> None:
        await wait_for_any(event, self._stopping)


async def wait_for_any(*events: asyncio.Event, for_seconds: float | None = None) -> None:
    """Return when one of the events is set, or ``for_seconds`` have passed."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=for_seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
