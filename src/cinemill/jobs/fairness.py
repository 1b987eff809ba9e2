"""Whose turn it is. Pure.

The relay lets only a window of runs per queue out to the broker. Within one priority the user who
holds the least goes next, so that two users share the workers evenly however much each has queued;
a higher priority goes first, and is let out over a window that lower ones have filled. Of one
user's jobs the first goes first, but the many steps of a large one take turns with those that come
after it.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Sequence

from cinemill.storage.jobs.dispatch import OwnerLoad, ReadyRun

CROWD_WINDOW = 4
"""Of each user's crowds so many are out at a time, or as many as run: who lets others by must not
be on its way before they come."""


def limit_bursts(ready: Sequence[ReadyRun], loads: Sequence[OwnerLoad]) -> list[ReadyRun]:
    """Return the runs without those of bursts over their limit; the order is kept."""
    out, running = Counter[str](), Counter[str]()
    for load in loads:
        out[load.owner] += load.published_crowd
        running[load.owner] += load.running
    kept = []
    for run in ready:
        if run.is_crowd:
            out[run.owner] += 1
        if not run.is_crowd or out[run.owner] <= max(CROWD_WINDOW, running[run.owner]):
            kept.append(run)
    return kept


def take_turns(ready: Sequence[ReadyRun], loads: Sequence[OwnerLoad]) -> list[ReadyRun]:
    """Return the runs so that an owner's bursts and its other runs share what is on its way.

    However long a burst has been due, a job that comes after it does not wait for all of it. Each
    line of an owner and priority is treated by itself; within both halves the order is kept.
    """
    out: dict[str, list[int]] = {}
    """Of each owner, the published runs: others, and those of bursts."""
    for load in loads:
        counts = out.setdefault(load.owner, [0, 0])
        counts[0] += load.published - load.published_crowd
        counts[1] += load.published_crowd
    lines: dict[tuple[str, int], list[ReadyRun]] = {}
    for run in ready:
        lines.setdefault((run.owner, run.priority), []).append(run)
    ordered: list[ReadyRun] = []
    for (owner, _), line in lines.items():
        counts = list(out.get(owner, (0, 0)))
        halves = [deque(run for run in line if run.is_crowd is half) for half in (False, True)]
        places = {run.id: place for place, run in enumerate(line)}
        while all(halves):
            is_behind = counts[1] >= counts[0]
            first = min(halves, key=lambda half: places[half[0].id])
            half = halves[0] if is_behind else first
            counts[half[0].is_crowd] += 1
            ordered.append(half.popleft())
        ordered += [*halves[0], *halves[1]]
    return ordered


def round_robin(
    ready: Sequence[ReadyRun], loads: Sequence[OwnerLoad], *, window: int
) -> list[ReadyRun]:
    """Return the runs to publish now, in order.

    ``ready`` holds each owner's due runs, an owner's own in the order they are to start; of owners
    who hold the same number, the one who comes first in it goes first. At most ``window`` published
    and unclaimed runs of a priority or higher are out afterwards.
    """
    held = Counter[str]()
    out = Counter[int]()
    for load in loads:
        held[load.owner] += load.published + load.running
        out[load.priority] += load.published
    chosen: list[ReadyRun] = []
    for priority in sorted({run.priority for run in ready}, reverse=True):
        room = window - sum(count for level, count in out.items() if level >= priority)
        level = _one_round([run for run in ready if run.priority == priority], held, room)
        out[priority] += len(level)
        chosen.extend(level)
    return chosen


def count_room(loads: Sequence[OwnerLoad], priority: int, *, window: int) -> int:
    """Return how many more runs of this priority may be out, by those of it or higher that are."""
    return window - sum(load.published for load in loads if load.priority >= priority)


def take_first(ready: Sequence[ReadyRun], per_owner: int) -> list[ReadyRun]:
    """Return each owner's first ``per_owner`` runs; the order is kept."""
    taken = Counter[str]()
    kept = []
    for run in ready:
        taken[run.owner] += 1
        if taken[run.owner] <= per_owner:
            kept.append(run)
    return kept


def is_fair(
    chosen: Sequence[ReadyRun],
    ready: Sequence[ReadyRun],
    loads: Sequence[OwnerLoad],
    *,
    room: int,
    per_owner: int,
) -> bool:
    """Check whether longer lines than ``per_owner`` of each in ``ready`` would change nothing.

    All are of one priority. An owner whose line was used up may have more: that one's place must
    not have gone to an owner who holds more, and none may be left over.
    """
    offered, served = (Counter(run.owner for run in runs) for runs in (ready, chosen))
    held = Counter[str](served)
    for load in loads:
        held[load.owner] += load.published + load.running
    used_up = [one for one in served if served[one] == offered[one] >= per_owner]
    if not used_up:
        return True
    least = min(held[one] for one in used_up)
    return len(chosen) >= room and all(held[one] <= least + 1 for one in served)


def _one_round(ready: Sequence[ReadyRun], held: Counter[str], room: int) -> list[ReadyRun]:
    """Return at most ``room`` runs, each from the owner who holds least; ``held`` is updated."""
    lines: dict[str, list[ReadyRun]] = {}
    for run in ready:
        lines.setdefault(run.owner, []).append(run)
    chosen: list[ReadyRun] = []
    turns = [(held[owner], place, owner) for place, owner in enumerate(lines)]
    heapq.heapify(turns)
    taken = Counter[str]()
    while turns and len(chosen) < room:
        _, place, owner = heapq.heappop(turns)
        chosen.append(lines[owner][taken[owner]])
        taken[owner] += 1
        held[owner] += 1
        if taken[owner] < len(lines[owner]):
            heapq.heappush(turns, (held[owner], place, owner))
    return chosen
