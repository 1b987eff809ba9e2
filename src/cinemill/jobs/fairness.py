"""Whose turn it is. Pure.

The relay lets only a window of runs per queue out to the broker. Within one priority the user who
holds the least goes next, so that two users share the workers evenly however much each has queued;
a higher priority goes first, and is let out over a window that lower ones have filled. Of one
user's jobs the first goes first, but the many steps of a large one take turns with those that come
after it.
"""

from __future__ import annotations

from collections import Counter
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


def _one_round(ready: Sequence[ReadyRun], held: Counter[str], room: int) -> list[ReadyRun]:
    """Return at most ``room`` runs, each from the owner who holds least; ``held`` is updated."""
    lines: dict[str, list[ReadyRun]] = {}
    for run in ready:
        lines.setdefault(run.owner, []).append(run)
    chosen: list[ReadyRun] = []
    while lines and len(chosen) < room:
        owner = min(lines, key=lambda name: held[name])
        chosen.append(lines[owner].pop(0))
        held[owner] += 1
        if not lines[owner]:
            del lines[owner]
    return chosen
