"""What each fault works on: the cluster, the submitter, the queries, and the list of violations."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import Random

import psutil
from tests.faults.cluster import Cluster, Part
from tests.faults.queries import Queries, RunUnderWay
from tests.faults.submitter import History, Submitter

Fault = Generator[float, None, None]
"""A fault under way: what it yields is how many seconds it waits, while others go on."""

LEAST_WORKERS = 2
"""So many stay untouched while a whole worker is taken down: else the drill would measure how long
a new one takes to start."""
FALL_SECONDS = 3.0
"""After its parent's death a process has so long to be gone."""


@dataclass(frozen=True)
class Kill:
    """A try whose worker was killed or frozen, and when (Unix seconds)."""

    run_id: str
    step_id: str
    at: float
    fault: str


@dataclass
class FaultContext:
    cluster: Cluster
    submitter: Submitter
    queries: Queries
    history: History
    random: Random
    busy: set[str] = field(default_factory=set)
    """Parts and servers that a fault is at work on."""
    kills: list[Kill] = field(default_factory=list)
    fallen: set[int] = field(default_factory=set)
    """Ids of worker processes that were killed, frozen or cut off: their tries may crash."""
    locked: set[str] = field(default_factory=set)
    """Jobs whose row a stranger holds: no other fault may hit them meanwhile."""
    worker_kills: int = 0
    outages: list[tuple[float, float]] = field(default_factory=list)
    watched_anew: list[float] = field(default_factory=list)
    """When relays began to watch all leases anew: after PostgreSQL or a relay had stood still."""
    cuts: list[tuple[float, float]] = field(default_factory=list)
    """When a worker was cut off from PostgreSQL, and when no longer."""
    figures: dict[str, list[float]] = field(default_factory=dict)
    """Seconds, by name."""
    problems: dict[str, list[str]] = field(default_factory=dict)
    """What an invariant found wrong while it went on, by invariant."""
    skipped: dict[str, str] = field(default_factory=dict)

    def measure(self, name: str, seconds: float) -> None:
        self.figures.setdefault(name, []).append(seconds)
        self.history.write("figure", name=name, seconds=round(seconds, 3))

    def expect(self, invariant: str, *, holds: bool, otherwise: str) -> None:
        if not holds:
            self.problems.setdefault(invariant, []).append(otherwise)
            self.history.write("problem", invariant=invariant, what=otherwise)

    @contextmanager
    def holding(self, *names: str) -> Iterator[None]:
        """Keep other faults away from these parts until the block ends."""
        self.busy.update(names)
        try:
            yield
        finally:
            self.busy.difference_update(names)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Nothing can be claimed meanwhile: the time does not count as slow resumption."""
        began = time.time()
        try:
            yield
        finally:
            self.outages.append((began, time.time()))

    @contextmanager
    def blindness(self) -> Iterator[None]:
        """Nobody can see meanwhile who renews a lease: an outage after which all are watched anew,
        so that no owner is taken for dead who could not renew."""
        with self.outage():
            yield
        self.watched_anew.append(time.time())

    def look_after_parts(self) -> None:
        """Start again what ended by itself, as a supervisor would, and hold it against the mill."""
        for part in self.cluster.parts.values():
            if part.process is None or part.name in self.busy or part.process.poll() is None:
                continue
            ended = f"{part.name} ended by itself with exit code {part.process.returncode}"
            ended += "".join(f"\n{line}" for line in part.last_words())
            self.expect("0 parts fell", holds=False, otherwise=ended)
            part.start()

    def free_workers(self) -> list[Part]:
        return [
            part for part in self.cluster.workers if part.is_ready and part.name not in self.busy
        ]

    def find_victims(self) -> list[tuple[Part, RunUnderWay]]:
        """Tries under way whose whole worker may be crashed."""
        killed = {kill.run_id for kill in self.kills}  # and perhaps not yet closed by the sweeper
        parts = [part for part in self.free_workers() if self.may_crash(part)]
        owners = {child.pid: part for part in parts for child in part.children()}
        return [
            (owners[run.pid], run)
            for run in self.queries.under_way()
            if run.pid in owners and run.id not in killed and self._may_crash(run)
        ]

    def may_crash(self, part: Part) -> bool:
        """Whether no poison is at work there, nor anything that crashed before: what dies of
        crashes is to be poison alone, and poison of nothing else."""
        return all(self._may_crash(run) for run in self.runs_on(part))

    def _may_crash(self, run: RunUnderWay) -> bool:
        return run.may_crash and run.job_id not in self.locked

    def may_take_down(self, part: Part) -> bool:
        """Whether it may be crashed as a whole, and others are there to take its work."""
        others = [other for other in self.free_workers() if other is not part]
        return len(others) >= LEAST_WORKERS and self.may_crash(part)

    def runs_on(self, part: Part) -> list[RunUnderWay]:
        pids = {child.pid for child in part.children()}
        return [run for run in self.queries.under_way() if run.pid in pids]

    def note_kill(self, runs: list[RunUnderWay], at: float, fault: str) -> None:
        known = {kill.run_id for kill in self.kills}
        self.fallen.update(run.pid for run in runs)
        self.kills += [Kill(run.id, run.step_id, at, fault) for run in runs if run.id not in known]

    def await_fall(self, processes: list[psutil.Process], fault: str) -> Fault:
        """Wait until these are gone; whoever is left after some seconds is an orphan."""
        self.fallen.update(process.pid for process in processes)
        deadline = time.monotonic() + FALL_SECONDS
        left = _living(processes)
        while left and time.monotonic() < deadline:
            yield 0.1
            left = _living(left)
        names = [_describe(process) for process in left]
        self.expect("orphan processes", holds=not left, otherwise=f"{fault}: {names} live on")


def _living(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if _lives(process)]


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _describe(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return f"{process.pid} {' '.join(process.cmdline())[:80]}"
    return str(process.pid)
