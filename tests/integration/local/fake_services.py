"""Small real child processes for the supervisor, which record what happens to them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cinemill.local.supervisor.backoff import Backoff
from cinemill.local.supervisor.liveness import Liveness
from cinemill.local.supervisor.spec import ServiceSpec
from cinemill.local.supervisor.status import StatusLines
from cinemill.local.supervisor.supervisor import Supervisor

QUICK = Backoff(first_seconds=0.05, longest_seconds=0.4, stable_seconds=5, loop_failures=3)

# argv: folder, name, what to do on SIGTERM ("end" or "stay"), whether to start a child of its own.
CHILD = """
import os, pathlib, signal, subprocess, sys, time
folder, name, manner, family = pathlib.Path(sys.argv[1]), *sys.argv[2:5]
def note(what):
    with (folder / "journal").open("a") as file:
        file.write(f"{what} {name}\\n")
def stop(number, frame):
    note("stopped")
    if manner == "end":
        sys.exit(0)
signal.signal(signal.SIGTERM, stop)
note("started")
if family == "yes":
    sleeper = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", sleeper, str(folder)])
(folder / f"{name}.up").touch()
while True:
    time.sleep(0.05)
"""


@dataclass
class Journal(StatusLines):
    """Status lines, recorded as (event, label)."""

    lines: list[tuple[str, str]] = field(default_factory=list)

    def ready(self, label: str, seconds: float) -> None:
        self.lines.append(("ready", label))

    def restarting(self, label: str, how: str, delay_seconds: float) -> None:
        self.lines.append((f"restarting: {how}", label))

    def crash_loop(self, label: str, failures: int, how: str, tail: str) -> None:
        self.lines.append((f"crash loop: {failures}, {how}, {tail}", label))

    def stopped(self, label: str, seconds: float, *, forced: bool) -> None:
        self.lines.append(("killed" if forced else "stopped", label))

    def say(self, sentence: str) -> None:
        self.lines.append(("said", sentence))

    def events(self, label: str) -> list[str]:
        return [event for event, of in self.lines if of == label]


def fake_service(
    folder: Path,
    name: str,
    *,
    needs: tuple[str, ...] = (),
    rank: int = 0,
    manner: str = "end",
    family: str = "no",
    grace_seconds: float = 120.0,
) -> ServiceSpec:
    """Return a service that runs until SIGTERM, and writes to ``folder/journal``."""
    return ServiceSpec(
        name=name,
        command=(sys.executable, "-c", CHILD, str(folder), name, manner, family),
        log_file=folder / f"{name}.log",
        needs=needs,
        ready_file=folder / f"{name}.up",
        stop_rank=rank,
        grace_seconds=grace_seconds,
    )


def script(folder: Path, name: str, code: str, *, once: bool = False) -> ServiceSpec:
    """Return a service that runs a line of Python."""
    return ServiceSpec(
        name=name,
        command=(sys.executable, "-c", code, str(folder)),
        log_file=folder / f"{name}.log",
        once=once,
    )


def run_supervised(
    folder: Path,
    specs: list[ServiceSpec],
    meanwhile: Callable[[Supervisor, Journal], None],
    liveness: Liveness | None = None,
) -> Journal:
    """Run services; once ready, call ``meanwhile`` in a thread; then stop. Return the events."""
    journal = Journal()

    async def supervise() -> None:
        supervisor = Supervisor(
            specs, log_folder=folder, status=journal, backoff=QUICK, liveness=liveness
        )
        ready = asyncio.Event()

        async def run_meanwhile() -> None:
            await ready.wait()
            try:
                await asyncio.to_thread(meanwhile, supervisor, journal)
            finally:
                supervisor.request_stop()

        task = asyncio.create_task(run_meanwhile())
        try:
            await supervisor.run(ready.set)
        except BaseException:
            task.cancel()
            raise
        await task

    asyncio.run(supervise())
    return journal
