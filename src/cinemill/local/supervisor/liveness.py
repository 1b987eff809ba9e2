"""Liveness checks: whether a service that was ready still does anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Liveness:
    """How long a service may do nothing; long, since an overloaded machine is not frozen."""

    interval_seconds: float = 10.0
    misses: int = 6
    """Checks missed in a row after which the service is stopped and started again."""
    grace_seconds: float = 15.0
    """From the stop signal to SIGKILL; a frozen worker's pool releases its work meanwhile."""


class AnyActivity:
    """A check whether any thread of a process has run since the last call.

    It is meant for the solo pool: its main thread may work on one task for a long time, and another
    thread stops a task that makes no progress.
    """

    def __init__(self) -> None:
        self._seen: list[str] | None = None

    def __call__(self, pid: int) -> bool:
        """Return whether any thread has run; True if that cannot be determined."""
        try:
            tasks = sorted(Path(f"/proc/{pid}/task").glob("*/status"))
            switches = [
                line
                for task in tasks
                for line in task.read_text("ascii", "replace").splitlines()
                if "ctxt_switches" in line
            ]
        except OSError:
            return True
        before, self._seen = self._seen, [str(pid), *switches]
        return not switches or self._seen != before


class CpuActivity:
    """A check whether the main thread of a process has run at all since the last call.

    It is meant for processes that have no endpoint to probe: Celery's worker and beat wake every
    few seconds, even while Redis or PostgreSQL are unavailable, and so does the solo pool, whose
    work polls for cancellation. A heartbeat thread would go on beating next to a main thread that
    is stuck forever, and a probe through the broker would blame them for the broker's failures.
    """

    def __init__(self) -> None:
        self._seen: tuple[int, int, int] | None = None

    def __call__(self, pid: int) -> bool:
        """Return whether the main thread has run; True if that cannot be determined."""
        try:
            switches = psutil.Process(pid).num_ctx_switches()
        except (psutil.Error, NotImplementedError, AttributeError):
            return True
        before, self._seen = self._seen, (pid, switches.voluntary, switches.involuntary)
        return self._seen != before


class Pulse:
    """A check whether a process has touched its file since the last call.

    It is meant for a worker, which touches the file while it takes the work that waits for it: its
    consumer may have ended while its main thread still runs, and then all work waits.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None

    def __call__(self, pid: int) -> bool:
        """Return whether the file was touched; True if there is no such file."""
        try:
            touched = self._path.stat().st_mtime_ns
        except OSError:
            return True
        before, self._seen = self._seen, (pid, touched)
        return self._seen != before


class AllSigns:
    """A check that passes only if each of several checks passes."""

    def __init__(self, *signs: Callable[[int], bool]) -> None:
        self._signs = signs

    def __call__(self, pid: int) -> bool:
        # Every check is called, since each compares with its own last call.
        results = [sign(pid) for sign in self._signs]
        return all(results)
