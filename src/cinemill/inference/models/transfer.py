"""How a fetch reports how far it is, and how it is stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

REPORT_SECONDS = 0.25


def _say_nothing(_sentence: str) -> None:
    return None


def _count_nothing(_done_bytes: int, _total_bytes: int) -> None:
    return None


def _never() -> Exception | None:
    return None


@dataclass(slots=True)
class Transfer:
    """The callbacks of one fetch, and the bytes that it has so far."""

    notify: Callable[[str], None] = _say_nothing
    """Called with a sentence where a source is opened or left."""
    on_progress: Callable[[int, int], None] = _count_nothing
    """Called with the bytes that are there and those that are expected, four times a second."""
    should_stop: Callable[[], Exception | None] = _never
    """Called several times a second; the exception that it returns is raised."""
    total_bytes: int = 0
    _done_bytes: int = field(default=0, init=False)
    _reported_at: float = field(default=float("-inf"), init=False)

    def check(self) -> None:
        """Raise what ``should_stop`` returns."""
        stop = self.should_stop()
        if stop is not None:
            raise stop

    def advance(self, done_bytes: int) -> None:
        """Report the bytes that are there by now, which never get fewer; and stop if asked to."""
        self.check()
        self._done_bytes = max(self._done_bytes, min(done_bytes, self.total_bytes))
        now = time.monotonic()
        if now - self._reported_at >= REPORT_SECONDS or self._done_bytes == self.total_bytes:
            self._reported_at = now
            self.on_progress(self._done_bytes, self.total_bytes)


def describe_progress(name: str, done_bytes: int, total_bytes: int) -> str:
    """Return a sentence for a person about a model that is being downloaded."""
    if done_bytes >= total_bytes > 0:
        return f"Checking the model {name}"
    done, total = done_bytes // 10**6, max(1, total_bytes // 10**6)
    return f"Downloading the model {name}: {done} of {total} MB"
