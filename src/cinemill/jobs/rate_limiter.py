"""Rate limits over the whole installation, on Redis' clock.

GCRA, the generic cell rate algorithm (ITU-T I.371, annex A): one number per limit.
"""

from __future__ import annotations

import time

from redis.exceptions import RedisError

from cinemill.errors import RedisUnavailable
from cinemill.jobs.catalog import Rate
from cinemill.storage.redis_servers import drop_refusing, open_redis

PAUSE_AFTER_FAULT_SECONDS = 1.0

# KEYS: the limit's. ARGV: seconds between starts. No burst: with one, twice the count could start
# in the first interval, and the promise is "at most".
# Answers seconds to wait as a string; '0' admits.
_ADMIT = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1e6
local interval = tonumber(ARGV[1])
local is_text = redis.call('TYPE', KEYS[1]).ok == 'string'
local arrival = is_text and tonumber(redis.call('GETRANGE', KEYS[1], 0, 63)) or now
-- No start is ever more than one interval away: later are what a clock that was set back has left,
-- and what others wrote. The first comparison fails for "nan" alone.
if arrival ~= arrival or arrival < now or arrival > now + interval then arrival = now end
local wait = arrival - now
if wait > 0 then return tostring(wait) end
redis.call('SET', KEYS[1], tostring(now + interval), 'EX', math.ceil(interval) + 1)
return '0'
"""


class RateLimiter:
    """Admits starts. Each key is one limit, shared by every process on this Redis."""

    def __init__(self, redis_url: str) -> None:
        self._redis = open_redis(redis_url, socket_timeout=2, socket_connect_timeout=2)
        self._admit = self._redis.register_script(_ADMIT)
        self._suspended_until = 0.0

    def admit(self, name: str, rate: Rate) -> float:
        """0 where one may start now, and it is counted; else the seconds to wait.

        Starts are spaced evenly, ``rate.seconds / rate.count`` apart. Raises RedisUnavailable, and
        does so for a second after a fault without asking again.
        """
        if time.monotonic() < self._suspended_until:
            raise RedisUnavailable("Redis did not answer just now.")
        interval = rate.seconds / rate.count
        try:
            wait = self._admit(keys=[f"cinemill:rate:{name}"], args=[interval])
        except RedisError as error:
            drop_refusing(self._redis, error)
            self._suspended_until = time.monotonic() + PAUSE_AFTER_FAULT_SECONDS
            raise RedisUnavailable(f"Redis counts no starts: {error}") from error
        return float(wait)

    def close(self) -> None:
        self._redis.close()
