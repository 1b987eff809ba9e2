"""Seconds of the stages of an examination, some of which are interleaved."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


class StageClock:
    """Adds up the seconds that each stage takes. A stage within another one counts only itself."""

    def __init__(self) -> None:
        """Start with no stage."""
        self._seconds: dict[str, float] = {}
        self._inner = 0.0
        """Seconds of the stages that ended within the current one."""

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Count the time of the block as this stage's."""
        began, outer = time.perf_counter(), self._inner
        self._inner = 0.0
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            self._seconds[stage] = self._seconds.get(stage, 0.0) + spent - self._inner
            self._inner = outer + spent

    def iterate(self, stage: str, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items, and count the time that each takes to come as this stage's."""
        iterator = iter(items)
        while True:
            with self.measure(stage):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def list_seconds(self) -> dict[str, float]:
        """Return the seconds by stage, in tenths of a millisecond."""
        return {stage: round(max(0.0, spent), 4) for stage, spent in self._seconds.items()}
