"""Chooses what a turn of the relay publishes from one queue.

As fair as if it looked at all that waits, but it reads little more than it publishes. Owners who
hold nothing of the queue are equal, and go round: a turn begins with the owner after the one at
whom the last turn stopped. Those who hold something are no more than there are runs on their way or
under way. So a turn with room for eight runs has seen enough once it has seen eight owners more
than hold something: among them are eight who hold nothing, or there are no others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cinemill.jobs.fairness import (
    count_room,
    is_fair,
    limit_bursts,
    round_robin,
    take_first,
    take_turns,
)
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
    without_kinds: tuple[str, ...]


class TurnPlanner:
    """Remembers where the last turn of each queue and priority stopped. For one thread."""

    def __init__(self, window: int) -> None:
        """``window`` is the least number of runs of a queue that may be out and unclaimed."""
        self._window = window
        self._stopped_at: dict[tuple[str, int], str] = {}

    def choose(
        self,
        connection: Connection,
        queue: str,
        levels: Sequence[int],
        *,
        chosen: Sequence[ReadyRun] = (),
        without_kinds: Sequence[str] = (),
    ) -> list[ReadyRun]:
        """Return the runs to publish now, in order, each of them locked.

        ``levels`` are the priorities that have something ready, the highest first. ``chosen`` are
        those that go out in this turn anyway. The planner's lock must be held.
        """
        passed = [run.id for run in chosen]
        loads = [*turns.list_loads(connection, queue), *map(_load_of, chosen)]
        window = max(self._window, sum(load.running for load in loads))
        found: list[ReadyRun] = []
        for level in levels:
            if count_room(loads, level, window=window) <= 0:
                break  # nor is there any for lower ones
            place = _Place(queue, level, loads, window, tuple(without_kinds))
            of_level = self._choose_level(connection, place, passed)
            loads += map(_load_of, of_level)
            found += of_level
        return found

    def _choose_level(
        self, connection: Connection, place: _Place, passed: Sequence[str]
    ) -> list[ReadyRun]:
        """Choose and lock; in the place of runs that are held elsewhere, choose others."""
        passed = list(passed)
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
            without_kinds=place.without_kinds,
        )
        while True:
            ready = limit_bursts(turns.list_ready(connection, search), place.loads)
            ready = take_first(take_turns(ready, place.loads), search.per_owner)
            chosen = round_robin(ready, place.loads, window=place.window)
            if search.per_owner >= room or is_fair(
                chosen, ready, place.loads, room=room, per_owner=search.per_owner
            ):
                return chosen
            search = replace(search, per_owner=min(room, search.per_owner * GROWTH))


def _load_of(run: ReadyRun) -> OwnerLoad:
    return OwnerLoad(run.owner, run.priority, 1, 0, int(run.is_crowd))
