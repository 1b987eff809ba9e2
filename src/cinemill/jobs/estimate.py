"""How long a job still takes: from the pace of all of its steps. Pure.

What is measured comes first: a running step's own pace, and what steps of its kind took in this
job. What steps of a kind take in similar jobs counts where nothing was measured; the weights of the
catalog only for the small rest. The steps that are left are then laid on as many workers as the
job has now, each after those that it waits for.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from cinemill.storage.jobs.job_clock.pace import StepWork

LEAST_FRACTION = 0.02
"""Of a step, and the seconds below: before so much was measured, its pace would be noise."""
LEAST_SECONDS = 1.0
STALE_SECONDS = 1.0
"""How long ago the progress of another running step was noted, on average: see
``heartbeat.NOTE_SECONDS``."""
MOST_RATIO = 3.0
"""A job is at most so much slower or faster than similar ones before its own pace is known."""
MOST_GUESSED = 0.5
"""Of the time left: with more of it guessed from weights alone, no time is stated."""
OWN_FRACTION = 0.25
"""Of a step: once so much is done, its own pace alone counts."""
REUSED_SHARE = 0.1
"""Of the longest step of a kind: less was no work of that kind."""
OVERRUN_SHARE = 0.25
"""A step that has taken longer than expected takes so much longer still, for all that is known."""
STEADY_SHARE = 0.1
STEADY_SECONDS = 1.5
"""An estimate that is so close to the one before changes nothing."""
OVERDUE_SECONDS = 5.0
"""So long after its expected end, a job states no time: what it waits for is not known."""
WRONG_RATIO = 4.0
"""A statement that is wrong by more is replaced at once: steps were planned, or a clock was set."""
LONGEST_SECONDS = 30 * 86400.0
"""What would take longer is unknown."""

_GRID = ((10.0, 1.0), (60.0, 5.0), (600.0, 15.0), (3600.0, 60.0), (math.inf, 300.0))
"""Steps in which a time left of up to so many seconds is shown."""


def round_seconds_left(seconds: float) -> float:
    """Return a time left as it is shown: no more exact than it is known, and at least a second."""
    step = next(step for bound, step in _GRID if seconds < bound)
    return max(1.0, step * math.floor(seconds / step + 0.5))


def show_seconds_left(seconds: float) -> float | None:
    """Return a time left as it is shown; None where the job should have ended a while ago."""
    return round_seconds_left(seconds) if seconds > -OVERDUE_SECONDS else None


def settle_seconds_left(before: float | None, estimated: float | None) -> float | None:
    """Return the time left to state where the one ``before`` has run down to so many seconds.

    The statement before goes on running down where the new estimate is close to it; otherwise it
    moves half the way, so that one slow moment does not throw it about, or all of it where it was
    altogether wrong. None where neither is known.
    """
    if estimated is None or before is None or before <= 0.0:
        return estimated if estimated is not None else before
    difference = estimated - before
    if abs(difference) <= max(STEADY_SECONDS, STEADY_SHARE * max(before, estimated)):
        return before
    if max(before, estimated) > WRONG_RATIO * min(before, estimated):
        return estimated
    return before + difference / 2


def estimate_seconds_left(
    steps: Sequence[StepWork], usual: Mapping[str, float], *, own_id: str = ""
) -> float | None:
    """Return seconds until all ``steps``, parents first, are done; None where it is unknown.

    ``usual`` are the seconds of each kind of step in similar jobs. The progress of the step
    ``own_id`` is of this moment, that of others of a moment ago. Never negative.
    """
    pace = _Pace(steps, usual, own_id)
    costs = {step.id: pace.measure_left(step) for step in steps if not step.is_done}
    total = sum(cost.seconds for cost in costs.values())
    guessed = sum(cost.seconds for cost in costs.values() if cost.is_guess)
    if not math.isfinite(total) or guessed > MOST_GUESSED * total:
        return None
    left = _lay_out(steps, {name: cost.seconds for name, cost in costs.items()})
    return left if left <= LONGEST_SECONDS else None


@dataclass(frozen=True, slots=True)
class _Cost:
    seconds: float
    is_guess: bool = False


class _Pace:
    """What was measured in this job."""

    def __init__(self, steps: Sequence[StepWork], usual: Mapping[str, float], own_id: str) -> None:
        self._usual = usual
        self._own_id = own_id
        measured: dict[str, list[float]] = {}
        for step in steps:
            if (seconds := self._measure_whole(step)) is not None:
                measured.setdefault(step.kind, []).append(seconds)
        self._means = {kind: _mean(seconds) for kind, seconds in measured.items()}
        self._ratio = self._compare(measured)
        self._unit = self._measure_unit(steps)

    def measure_left(self, step: StepWork) -> _Cost:
        """Return what this step still takes."""
        expected = self._expect(step)
        if not step.is_running:
            return expected
        age = 0.0 if step.id == self._own_id else STALE_SECONDS
        own = self._measure_whole(step)
        if own is not None:
            # The longer its own pace was measured, the more it counts beside that of its kind.
            share = min(1.0, step.fraction / OWN_FRACTION)
            seconds = share * own + (1 - share) * expected.seconds
            return _Cost(max(0.0, seconds * (1 - step.fraction) - age))
        # Its pace is unknown; what it has taken of what it is expected to take is not.
        left = expected.seconds - step.seconds - age
        if left > 0.0:
            return _Cost(left, expected.is_guess)
        return _Cost(step.seconds * OVERRUN_SHARE, is_guess=True)

    def _measure_whole(self, step: StepWork) -> float | None:
        """Return the seconds of the whole step, as measured; None where it was not."""
        if step.is_done:
            return step.seconds if step.seconds > 0.0 else None
        if not step.is_running or step.fraction < LEAST_FRACTION or step.seconds < LEAST_SECONDS:
            return None
        return step.seconds / min(1.0, step.fraction)

    def _expect(self, step: StepWork) -> _Cost:
        """Return what a whole step is expected to take, by others like it."""
        if step.kind in self._means:
            return _Cost(self._means[step.kind])
        if step.kind in self._usual:
            return _Cost(self._usual[step.kind] * self._ratio)
        return _Cost(step.weight * self._unit, is_guess=True)

    def _compare(self, measured: Mapping[str, Sequence[float]]) -> float:
        """Return how much slower this job is than similar ones, from what both have done."""
        common = [kind for kind in measured if self._usual.get(kind, 0.0) > 0.0]
        here = sum(sum(measured[kind]) for kind in common)
        there = sum(self._usual[kind] * len(measured[kind]) for kind in common)
        # A second each, for what takes next to no time says nothing of what takes long.
        return min(MOST_RATIO, max(1 / MOST_RATIO, (here + 1.0) / (there + 1.0)))

    def _measure_unit(self, steps: Sequence[StepWork]) -> float:
        """Return the seconds of a weight of 1, where nothing else is known."""
        known = [(step.weight, self._expect_known(step.kind)) for step in steps]
        weights = sum(weight for weight, seconds in known if seconds is not None)
        seconds = sum(seconds for _, seconds in known if seconds is not None)
        return seconds / weights if weights > 0 else 1.0

    def _expect_known(self, kind: str) -> float | None:
        if kind in self._means:
            return self._means[kind]
        return self._usual[kind] * self._ratio if kind in self._usual else None


def _mean(seconds: Sequence[float]) -> float:
    """Return the mean of what steps of one kind took, without those that had nothing to do.

    Work that was done before, by another job or before a retry, is found again in next to no time.
    """
    least = REUSED_SHARE * max(seconds)
    return fmean(one for one in seconds if one >= least)


def _lay_out(steps: Sequence[StepWork], seconds: Mapping[str, float]) -> float:
    """Return when the last step ends, in seconds from now."""
    ends = {step.id: seconds[step.id] for step in steps if step.is_running}
    workers = sorted(ends.values()) or [0.0]
    for step in steps:
        if step.is_done or step.is_running:
            continue
        ready = max((ends.get(parent, 0.0) for parent in step.after), default=0.0)
        # The worker that is free last before the step can begin, or else the first to be free.
        begin = max(ready, heapq.heappop(workers))
        ends[step.id] = begin + seconds[step.id]
        heapq.heappush(workers, ends[step.id])
    return max(ends.values(), default=0.0)
