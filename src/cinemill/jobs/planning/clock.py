"""The engine's clock: elapsed time as relays measure it, whatever the database's clock shows.

The reckoning is pure. A relay continues what was noted before by its own monotonic clock; of
several relays the furthest counts, and one that has just begun may be behind it by a turn. While
no relay runs the clock stands still: a delay is never shorter because a clock was set, and never
longer than a relay has to run for it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from cinemill.storage import clock
from cinemill.storage.clock import ClockLook, StoredClock
from cinemill.storage.database import Connection
from cinemill.telemetry import get_logger

JUMP_SECONDS = 1.0
"""The database's clock was set if it differs by more than this from elapsed time. Slewing, as NTP
does it, stays below."""
SAVE_SECONDS = 0.2
"""How old the noted time may be when the relay plans."""
CALENDAR_PACE = 2.0
"""How much faster than elapsed time the calendar follows a clock that is ahead. What is kept for
thirty days is kept for fifteen at least, however far the clock leaps."""
LONGEST_LAG_SECONDS = 30 * 24 * 3600.0
"""For so long the calendar may be behind the clock. What was written before the clock leapt, and
while it was wrong, has been kept for a month by then; without an end, a minute in 1970 would keep
everything for decades."""
MOST_DOWNTIME_SECONDS = 24 * 3600.0
"""Of the time in which no relay ran, so much counts for the calendar at once: a machine that was
off, and one that starts with a wrong clock, look the same."""

log = get_logger(__name__)


def measure_steady_seconds() -> float:
    """Return elapsed time, including the time in which this machine was suspended if it is known.

    The database's clock goes on meanwhile, and was not set.
    """
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot_time is None else time.clock_gettime(boot_time)


@dataclass(frozen=True, slots=True)
class Reading:
    """The engine's time at one look."""

    seconds: float
    wall: float
    calendar: float
    jump_seconds: float
    """How far the database's clock was set since the last look; 0 where it was not."""
    asked: float
    answered: float
    """Between these of the relay's own clock, the database's clock was read."""
    jumps: int
    """As noted, this one included."""
    behind_since: float | None = None
    """Engine seconds since when the calendar has been behind the clock; None where it is not."""


def reckon(last: Reading | None, seen: ClockLook, asked: float, answered: float) -> Reading:
    """Return the engine's time at a look that lasted from ``asked`` to ``answered``. Pure.

    ``last`` is this relay's own last reading; None at its start.
    """
    stored = seen.stored
    if last is not None:
        seconds = last.seconds + asked - last.asked
        downtime_seconds = 0.0
    else:
        seconds = stored.seconds if stored else 0.0
        away_seconds = seen.wall - stored.seen_at if stored else 0.0
        downtime_seconds = min(max(0.0, away_seconds), MOST_DOWNTIME_SECONDS)
    jump_seconds = _find_jump(last, seen, asked, answered)
    calendar, behind_since = seen.wall, None
    if stored is not None:
        seconds = max(seconds, stored.seconds)
        calendar, behind_since = _advance_calendar(stored, seen.wall, seconds, downtime_seconds)
    jumps = (stored.jumps if stored else 0) + (jump_seconds != 0)
    return Reading(seconds, seen.wall, calendar, jump_seconds, asked, answered, jumps, behind_since)


def _advance_calendar(
    stored: StoredClock, wall: float, seconds: float, downtime_seconds: float
) -> tuple[float, float | None]:
    """Return the calendar, and since when it has been behind the clock."""
    gained_seconds = CALENDAR_PACE * (seconds - stored.seconds)
    calendar = min(wall, stored.calendar + downtime_seconds + gained_seconds)
    if wall - calendar <= JUMP_SECONDS:
        return calendar, None
    since = seconds if stored.behind_since is None else stored.behind_since
    if seconds - since >= LONGEST_LAG_SECONDS:
        return wall, None
    return calendar, since


def _find_jump(last: Reading | None, seen: ClockLook, asked: float, answered: float) -> float:
    """Return how far the database's clock was set since it was last read, at least.

    What another relay has noted already is not found a second time. At a relay's start only a clock
    that went back is certain to have been set.
    """
    stored = seen.stored
    if last is None:
        back = seen.wall - stored.seen_at if stored else 0.0
        return back if back < -JUMP_SECONDS else 0.0
    if stored is not None and stored.jumps != last.jumps:
        # Another relay has noted it, or what this one noted was rolled back.
        return 0.0 if stored.jumps > last.jumps else last.jump_seconds
    passed = seen.wall - last.wall
    if passed - (answered - last.asked) > JUMP_SECONDS:
        return passed - (answered - last.asked)
    if (asked - last.answered) - passed > JUMP_SECONDS:
        return passed - (asked - last.answered)
    return 0.0


class EngineClock:
    """The engine's clock of one relay. For one thread."""

    def __init__(self) -> None:
        self._last: Reading | None = None
        self._next_delay_ends: float | None = None

    def turn(self, connection: Connection) -> bool:
        """Advance the clock, release what has waited for long enough; return whether a run changed.

        To be called within the planner's lock.
        """
        asked = measure_steady_seconds()
        seen = clock.look(connection)
        reading = reckon(self._last, seen, asked, measure_steady_seconds())
        first = seen.first_delay_ends
        is_over = first is not None and first <= reading.seconds
        is_stale = seen.stored is None or reading.seconds - seen.stored.seconds >= SAVE_SECONDS
        if is_over or is_stale or reading.jump_seconds:
            clock.save(
                connection,
                seconds=reading.seconds,
                wall=reading.wall,
                calendar=reading.calendar,
                jump_seconds=reading.jump_seconds,
                behind_since=reading.behind_since,
            )
        changed = 0
        if is_over:
            changed = clock.release_delayed(connection, reading.seconds)
            first = clock.next_delay_ends(connection)
        self._last, self._next_delay_ends = reading, first
        if reading.jump_seconds:
            log.warning("the database's clock was set", seconds=round(reading.jump_seconds, 3))
        return changed > 0

    def measure_next_delay(self) -> float:
        """Return the seconds until the next delayed run is due; infinite where there is none."""
        if self._last is None or self._next_delay_ends is None:
            return float("inf")
        passed = measure_steady_seconds() - self._last.asked
        return max(0.0, self._next_delay_ends - self._last.seconds - passed)
