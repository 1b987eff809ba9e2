"""Chooses what a turn of the relay publishes from one queue.

As fair as if it looked at all that waits, but it reads little more than it publishes. Owners who
hold nothing of the queue are equal, and go round: a turn begins with the owner after the one at
whom the last turn stopped. Those who hold something are no more than there are runs on their way or
under way. So a turn with room for eight runs has seen enough once it has seen eight owners more
than hold something: among them are eight who hold nothing, or there are no others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cinemill.jobs.fairness import count_room, is_fair, limit_bursts, round_robin, take_first
from cinemill.storage import turns
from cinemill.storage.database import Connection
from cinemill.storage.jobs.dispatch import OwnerLoad, ReadyRun
from cinemill.storage.turns import Search

RUNS_AT_FIRST = 128
"""Read of all owners together, where a window is so large that each might give many."""
GROWTH = 4
LOCK_ROUNDS = 5
"""How often others are chosen in the place of runs that another transaction holds."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A level of a queue and what is out of it."""

    queue: str
    priority: int
    loads: Sequence[OwnerLoad]
    window: int


class TurnPlanner:
    """Remembers where the last turn of each queue and priority stopped. For one thread."""

    def __init__(self, window: int) -> None:
        """``window`` is the least number of runs of a queue that may be out and unclaimed."""
        self._window = window
        self._stopped_at: dict[tuple[str, int], str] = {}

    def choose(
        self, connection: Connection, queue: str, levels: Sequence[int]
    ) -> Iterator[ReadyRun]:
        """Yield the runs to publish now, in order, each of them locked.

        ``levels`` are the priorities that have something ready, the highest first. The planner's
        lock must be held.
        """
        loads = turns.list_loads(connection, queue)
        window = max(self._window, sum(load.running for load in loads))
        for level in levels:
            if count_room(loads, level, window=window) <= 0:
                return  # nor is there any for lower ones
            chosen = self._choose_level(connection, _Place(queue, level, loads, window))
            loads = [*loads, *(OwnerLoad(r.owner, level, 1, 0, int(r.is_crowd)) for r in chosen)]
            yield from chosen

    def _choose_level(self, connection: Connection, place: _Place) -> list[ReadyRun]:
        """Choose and lock; in the place of runs that are held elsewhere, choose others."""
        passed: list[str] = []
        for _ in range(LOCK_ROUNDS):
            chosen = self._find_fair(connection, place, passed)
            locked = turns.lock_ready(connection, [run.id for run in chosen]) if chosen else set()
            held = [run.id for run in chosen if run.id not in locked]
            if not held:
                break
            passed += held
        taken = [run for run in chosen if run.id in locked]
        if taken:
            self._stopped_at[place.queue, place.priority] = taken[-1].owner
        return taken

    def _find_fair(
        self, connection: Connection, place: _Place, passed: Sequence[str]
    ) -> list[ReadyRun]:
        """Read as few runs of each owner as lead to what all of them would lead to."""
        room = count_room(place.loads, place.priority, window=place.window)
        search = Search(
            place.queue,
            place.priority,
            after=self._stopped_at.get((place.queue, place.priority), ""),
            owners=room + len({load.owner for load in place.loads}),
            per_owner=min(room, max(1, RUNS_AT_FIRST // room)),
            passed=tuple(passed),
        )
        while True:
            ready = limit_bursts(turns.list_ready(connection, search), place.loads)
            ready = take_first(ready, search.per_owner)
            chosen = round_robin(ready, place.loads, window=place.window)
            if search.per_owner >= room or is_fair(
                chosen, ready, place.loads, room=room, per_owner=search.per_owner
            ):
                return chosen
            search = replace(search, per_owner=min(room, search.per_owner * GROWTH))
