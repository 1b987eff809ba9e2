"""The context of every fault: the cluster, the submitter, the queries and the violations."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import Random

import psutil
from tests.faults.cluster import Cluster, Part
from tests.faults.queries import CurrentRun, Queries
from tests.faults.submitter import History, Submitter

Fault = Generator[float, None, None]
"""A running fault, which yields the seconds that it waits while other faults go on."""

MIN_WORKERS = 2
"""Workers that stay untouched while a whole worker is taken down; otherwise the drill would measure
how long a new one takes to start."""
EXIT_SECONDS = 3.0
"""How long a process may outlive its parent."""


@dataclass(frozen=True)
class Kill:
    """An attempt whose worker was killed or frozen, and when (Unix seconds)."""

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
    """Parts and servers reserved by a fault."""
    kills: list[Kill] = field(default_factory=list)
    affected_pids: set[int] = field(default_factory=set)
    """Worker processes that were killed, frozen or disconnected: their attempts may crash."""
    locked: set[str] = field(default_factory=set)
    """Jobs whose row is locked by another session; no other fault may hit them meanwhile."""
    worker_kills: int = 0
    outages: list[tuple[float, float]] = field(default_factory=list)
    leases_reset_at: list[float] = field(default_factory=list)
    """When relays began to observe all leases again, after PostgreSQL or a relay was frozen."""
    cuts: list[tuple[float, float]] = field(default_factory=list)
    """When a worker was disconnected from PostgreSQL, and when it was connected again."""
    clock_steps: list[tuple[float, float, float]] = field(default_factory=list)
    """When the database's clock was wrong, from and until, and by how many seconds: more than a
    drill lasts."""
    figures: dict[str, list[float]] = field(default_factory=dict)
    """Seconds, by name."""
    problems: dict[str, list[str]] = field(default_factory=dict)
    """Violations found during the drill, by invariant."""
    skipped: dict[str, str] = field(default_factory=dict)

    def measure(self, name: str, seconds: float) -> None:
        self.figures.setdefault(name, []).append(seconds)
        self.history.write("figure", name=name, seconds=round(seconds, 3))

    def expect(self, invariant: str, *, holds: bool, otherwise: str) -> None:
        if not holds:
            self.problems.setdefault(invariant, []).append(otherwise)
            self.history.write("problem", invariant=invariant, what=otherwise)

    @contextmanager
    def reserve(self, *names: str) -> Iterator[None]:
        """Keep other faults away from these parts until the block ends."""
        self.busy.update(names)
        try:
            yield
        finally:
            self.busy.difference_update(names)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Record a period in which nothing can be claimed; it is no slow resumption."""
        began = time.time()
        try:
            yield
        finally:
            self.outages.append((began, time.time()))

    @contextmanager
    def lease_reset(self) -> Iterator[None]:
        """Record an outage during which renewals of leases cannot be observed.

        Afterwards all leases are observed from the beginning, so that no owner that could not renew
        its lease is taken for dead.
        """
        with self.outage():
            yield
        self.leases_reset_at.append(time.time())

    def to_own_time(self, stamp: float) -> float:
        """Return when the database stamped a row, by the drill's clock; both in Unix seconds."""
        for began, ended, ahead_seconds in self.clock_steps:
            if began - 1 <= stamp - ahead_seconds <= ended + 1:
                return stamp - ahead_seconds
        return stamp

    def restart_ended_parts(self) -> None:
        """Restart parts that ended by themselves, as a supervisor would, and count a violation."""
        for part in self.cluster.parts.values():
            if part.process is None or part.name in self.busy or part.process.poll() is None:
                continue
            ended = f"{part.name} ended by itself with exit code {part.process.returncode}"
            ended += "".join(f"\n{line}" for line in part.log_tail())
            self.expect("0 parts fell", holds=False, otherwise=ended)
            part.start()

    def free_workers(self) -> list[Part]:
        return [
            part for part in self.cluster.workers if part.is_ready and part.name not in self.busy
        ]

    def find_victims(self) -> list[tuple[Part, CurrentRun]]:
        """Return running attempts whose whole worker may be crashed."""
        killed = {kill.run_id for kill in self.kills}  # perhaps not yet closed by the sweeper
        parts = [part for part in self.free_workers() if self.can_crash(part)]
        owners = {child.pid: part for part in parts for child in part.children()}
        return [
            (owners[run.pid], run)
            for run in self.queries.current_runs()
            if run.pid in owners and run.id not in killed and self._can_crash(run)
        ]

    def can_crash(self, part: Part) -> bool:
        """Return whether this part runs no poison and nothing that crashed before.

        Only poison may reach the limit of crashes, and poison only by its own crashes.
        """
        return all(self._can_crash(run) for run in self.runs_on(part))

    def _can_crash(self, run: CurrentRun) -> bool:
        return run.can_crash and run.job_id not in self.locked

    def can_take_down(self, part: Part) -> bool:
        """Return whether it may be crashed as a whole, and enough others can take its work."""
        others = [other for other in self.free_workers() if other is not part]
        return len(others) >= MIN_WORKERS and self.can_crash(part)

    def runs_on(self, part: Part) -> list[CurrentRun]:
        pids = {child.pid for child in part.children()}
        return [run for run in self.queries.current_runs() if run.pid in pids]

    def record_kill(self, runs: list[CurrentRun], at: float, fault: str) -> None:
        known = {kill.run_id for kill in self.kills}
        self.affected_pids.update(run.pid for run in runs)
        self.kills += [Kill(run.id, run.step_id, at, fault) for run in runs if run.id not in known]

    def await_exit(self, processes: list[psutil.Process], fault: str) -> Fault:
        """Wait until these processes have exited; those left after some seconds are orphans."""
        self.affected_pids.update(process.pid for process in processes)
        deadline = time.monotonic() + EXIT_SECONDS
        left = _living(processes)
        while left and time.monotonic() < deadline:
            yield 0.1
            left = _living(left)
        names = [_describe(process) for process in left]
        self.expect("orphan processes", holds=not left, otherwise=f"{fault}: {names} still run")


def _living(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if _is_alive(process)]


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _describe(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return f"{process.pid} {' '.join(process.cmdline())[:80]}"
    return str(process.pid)
