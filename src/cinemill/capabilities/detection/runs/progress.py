"""Progress of a run: a share that never falls, a sentence, and the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_LEAST_SECONDS = 3.0
_LEAST_SHARE = 0.01
"""Before so much is measured, an estimate of the time left would jump."""


@dataclass(frozen=True, slots=True)
class RunState:
    """How far a run is."""

    share: float
    """0 to 1."""
    sentence: str
    remaining_seconds: float | None
    """None while there is no estimate."""


def _ignore(_state: RunState) -> None:
    return None


class RunProgress:
    """Turns the progress of stages, which follow one another, into that of the run."""

    def __init__(
        self,
        on_change: Callable[[RunState], None] = _ignore,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_change = on_change
        self._clock = clock
        self._stages: dict[str, tuple[float, float]] = {}
        self._stage = (0.0, 1.0)
        self._share = 0.0
        self._origin = (clock(), 0.0)

    def plan(self, weights: Mapping[str, float]) -> None:
        """Set the stages in order, each with its share of the work in any unit."""
        total = sum(weights.values())
        begin = 0.0
        for name, weight in weights.items():
            self._stages[name] = (begin, weight / total)
            begin += weight / total

    def enter(self, stage: str, sentence: str) -> None:
        """Begin a stage."""
        self._stage = self._stages[stage]
        self.report(0, 1, sentence)

    def report(self, done: float, total: float, sentence: str, *, is_reused: bool = False) -> None:
        """Report how much of the stage is done.

        What was ``is_reused`` from an earlier run took no time and says nothing about the rest.
        """
        begin, length = self._stage
        part = min(1.0, done / total) if total > 0 else 1.0
        self._share = max(self._share, min(1.0, begin + length * part))
        if is_reused:
            self._origin = (self._clock(), self._share)
        self._on_change(RunState(self._share, sentence, self._estimate()))

    def finish(self, sentence: str) -> None:
        self._share = 1.0
        self._on_change(RunState(1.0, sentence, 0.0))

    def _estimate(self) -> float | None:
        began_at, began = self._origin
        seconds, share = self._clock() - began_at, self._share - began
        if seconds < _LEAST_SECONDS or share < _LEAST_SHARE:
            return None
        return seconds * (1 - self._share) / share
