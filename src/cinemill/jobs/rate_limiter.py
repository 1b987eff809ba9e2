"""Rate limits over the whole installation, on Redis' clock.

GCRA, the generic cell rate algorithm (ITU-T I.371, annex A): one number per limit.
"""

from __future__ import annotations

import time

from redis.exceptions import RedisError

from cinemill.errors import RedisUnavailable
from cinemill.jobs.catalog import Rate, StepKind
from cinemill.storage.redis_servers import Outage, drop_refusing, open_redis
from cinemill.telemetry import get_logger

PAUSE_AFTER_FAULT_SECONDS = 1.0
UNREADABLE_DELAY_SECONDS = 15.0
"""A kind whose rate makes no sense is looked at again after so long."""

log = get_logger(__name__)

# KEYS: the limit's. ARGV: seconds between starts. No burst: with one, twice the count could start
# in the first interval, and the promise is "at most".
# Answers seconds to wait as a string; '0' admits. A wait is never longer than the interval: a time
# that is further away was left by a clock that was set back, or written by others, and the interval
# begins again. The margin is for how numbers are rounded; only "nan" differs from itself.
_ADMIT = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1e6
local interval = tonumber(ARGV[1])
local function keep()
  local next = string.format('%.6f', now + interval)
  redis.call('SET', KEYS[1], next, 'EX', math.ceil(interval) + 1)
end
local is_text = redis.call('TYPE', KEYS[1]).ok == 'string'
local arrival = is_text and tonumber(redis.call('GETRANGE', KEYS[1], 0, 63)) or now
if arrival ~= arrival or arrival < now then arrival = now end
if arrival > now + interval + 0.001 then keep() end
local wait = math.min(arrival - now, interval)
if wait > 0 then return tostring(wait) end
keep()
return '0'
"""


class RateLimiter:
    """Admits starts. Each key is one limit, shared by every process on this Redis."""

    def __init__(self, redis_url: str) -> None:
        self._redis = open_redis(redis_url, socket_timeout=2, socket_connect_timeout=2)
        self._admit = self._redis.register_script(_ADMIT)
        self._outage = Outage(redis_url, self._redis.ping, pause_seconds=PAUSE_AFTER_FAULT_SECONDS)

    def admit(self, name: str, rate: Rate) -> float:
        """0 where one may start now, and it is counted; else the seconds to wait.

        Starts are spaced evenly, ``rate.seconds / rate.count`` apart. Raises RedisUnavailable, and
        does so without asking for a second after a fault, and while a silent Redis stays silent.
        """
        if self._outage.is_on():
            raise RedisUnavailable("Redis did not answer just now.")
        interval = rate.seconds / rate.count
        asked_at = time.monotonic()
        try:
            wait = self._admit(keys=[f"cinemill:rate:{name}"], args=[interval])
        except RedisError as error:
            drop_refusing(self._redis, error)
            self._outage.begin(time.monotonic() - asked_at)
            raise RedisUnavailable(f"Redis counts no starts: {error}") from error
        return float(wait)

    def close(self) -> None:
        self._redis.close()


class Admissions:
    """Which kinds may start now. A kind that must wait is not asked about again until then."""

    def __init__(self, rates: RateLimiter) -> None:
        self._rates = rates
        self._waits: dict[str, float] = {}
        """Until when a kind waits, on the monotonic clock."""

    def begin_turn(self) -> None:
        """Forget the kinds that may start again."""
        self._waits = {kind: self._waits[kind] for kind in self.list_waiting()}

    def list_waiting(self) -> list[str]:
        """Return the kinds of which none may start now."""
        now = time.monotonic()
        return sorted(kind for kind, until in self._waits.items() if until > now)

    def measure_next(self) -> float:
        """Return the seconds until a kind may start that waited when the turn began or since.

        0 where one may already, infinite where none waited.
        """
        return max(0.0, min(self._waits.values(), default=float("inf")) - time.monotonic())

    def admit(self, kind: StepKind) -> float:
        """0 where one of this kind may start now, and it is counted; else the seconds to wait.

        While starts cannot be counted, kinds with a rate wait and kinds without one go on.
        """
        if kind.rate is None:
            return 0.0
        wait_seconds = self._waits.get(kind.name, 0.0) - time.monotonic()
        if wait_seconds > 0:
            return wait_seconds
        try:
            wait_seconds = self._rates.admit(kind.name, kind.rate)
        except RedisUnavailable:
            wait_seconds = PAUSE_AFTER_FAULT_SECONDS
        except Exception:
            log.exception("the rate of a kind cannot be read", kind=kind.name)
            wait_seconds = UNREADABLE_DELAY_SECONDS
        if wait_seconds > 0:
            self._waits[kind.name] = time.monotonic() + wait_seconds
        return max(0.0, wait_seconds)
