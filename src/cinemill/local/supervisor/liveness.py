"""Does a part that was ready still do anything? Asked for as long as the mill runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Liveness:
    """How long a part may do nothing. Generous: a swamped machine is no frozen part."""

    interval_seconds: float = 10.0
    misses: int = 6
    """In a row; then it is ended and started again."""
    grace_seconds: float = 15.0
    """From the stop signal to SIGKILL: a frozen worker's pool hands its work back meanwhile."""


class AnyActivity:
    """Whether any thread of a process has run since the last question.

    For the solo pool: its main thread may work on one thing in silence for long, and a thread
    beside it ends what makes no progress.
    """

    def __init__(self) -> None:
        self._seen: list[str] | None = None

    def __call__(self, pid: int) -> bool:
        """True where it cannot be told."""
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
    """Whether a process's main thread has run at all since the last question.

    For who answers no questions: Celery's worker and beat wake every few seconds, also while Redis
    or PostgreSQL are away and in the solo pool, whose work asks after cancels. A thread of their
    own that said "I live" would say so beside a main thread that stands still for ever; a question
    through the broker would blame them for the broker.
    """

    def __init__(self) -> None:
        self._seen: tuple[int, int, int] | None = None

    def __call__(self, pid: int) -> bool:
        """True where it cannot be told."""
        try:
            switches = psutil.Process(pid).num_ctx_switches()
        except (psutil.Error, NotImplementedError, AttributeError):
            return True
        before, self._seen = self._seen, (pid, switches.voluntary, switches.involuntary)
        return self._seen != before


class Pulse:
    """Whether a process has touched its file since the last question.

    For a worker, which does so while it takes the work that waits for it: a consumer may have ended
    beside a main thread that moves, and then everything waits.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None

    def __call__(self, pid: int) -> bool:
        """True where there is no such file."""
        try:
            touched = self._path.stat().st_mtime_ns
        except OSError:
            return True
        before, self._seen = self._seen, (pid, touched)
        return self._seen != before


class All:
    """Whether a process lives by every one of several signs."""

    def __init__(self, *signs: Callable[[int], bool]) -> None:
        self._signs = signs

    def __call__(self, pid: int) -> bool:
        # Each of them is asked: what it remembers is that of the last question.
        answers = [sign(pid) for sign in self._signs]
        return all(answers)
