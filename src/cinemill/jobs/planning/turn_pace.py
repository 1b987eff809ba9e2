"""How soon one turn of the relay may follow another. Pure."""

from __future__ import annotations

from dataclasses import dataclass

TURNS_AT_ONCE = 20.0
"""After a quiet second so many turns may follow each other without a pause."""
TURNS_A_SECOND = 50.0
"""Of a storm of notifications: each then brings a turn for all that arrived before it. A turn fills
the window of every queue, so that the pace of turns does not limit that of work."""


@dataclass(slots=True)
class TurnPace:
    """Lets single turns begin at once, and spaces those of a storm."""

    _left: float = TURNS_AT_ONCE
    _counted_at: float | None = None

    def plan_turn(self, now: float) -> float:
        """Count a turn at monotonic ``now``; return how many seconds later it is to begin."""
        passed_seconds = 0.0 if self._counted_at is None else now - self._counted_at
        self._counted_at = now
        self._left = min(TURNS_AT_ONCE, self._left + passed_seconds * TURNS_A_SECOND) - 1
        return max(0.0, -self._left / TURNS_A_SECOND)
