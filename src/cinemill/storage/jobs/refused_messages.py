"""Messages that a worker refused, on their way to PostgreSQL: a capped list in Redis.

A worker writes here rather than into PostgreSQL, because its event loop must not wait for a
database that is away. The relay moves them.
"""

from __future__ import annotations

import json
import time
from typing import Any

from redis.exceptions import RedisError

from cinemill.core.dead_messages import DeadMessage, read_dead_message
from cinemill.errors import RedisUnavailable, clip_text
from cinemill.storage.redis_servers import Outage, open_redis
from cinemill.telemetry import get_logger

KEY = "cinemill:refused_messages"
MOST_WAITING = 10_000
"""While PostgreSQL is away; beyond that the oldest are dropped. 4 kB each at most."""
SOCKET_TIMEOUT_SECONDS = 2.0
LARGEST_ENTRY_BYTES = 64 * 1024
"""Of ours; what is larger is somebody else's, and is dropped where it is."""

# KEYS: the list. ARGV: the message, the last place that is kept. A key of another type is nobody's.
_PUT = """
local type = redis.call('TYPE', KEYS[1]).ok
if type ~= 'list' and type ~= 'none' then redis.call('DEL', KEYS[1]) end
redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('LTRIM', KEYS[1], 0, ARGV[2])
"""
# KEYS: the list. ARGV: how many, the most bytes of one. Answers the oldest, first to last.
_PEEK = """
local found = {}
if redis.call('TYPE', KEYS[1]).ok ~= 'list' then return found end
while #found < tonumber(ARGV[1]) do
  local item = redis.call('LINDEX', KEYS[1], -1 - #found)
  if not item then break end
  if #item <= tonumber(ARGV[2]) then
    table.insert(found, item)
  else
    redis.call('LREM', KEYS[1], -1, item)
  end
end
return found
"""

log = get_logger(__name__)


class RefusedMessages:
    """Safe to share between threads. All raise RedisUnavailable."""

    def __init__(self, redis_url: str) -> None:
        self._redis: Any = open_redis(
            redis_url,
            socket_timeout=SOCKET_TIMEOUT_SECONDS,
            socket_connect_timeout=SOCKET_TIMEOUT_SECONDS,
        )
        self._outage = Outage(redis_url, self._redis.ping, pause_seconds=0.0)
        self._put = self._redis.register_script(_PUT)
        self._peek = self._redis.register_script(_PEEK)

    def put(self, message: DeadMessage) -> None:
        """Keep it until the relay has moved it."""
        try:
            self._put(keys=[KEY], args=[json.dumps(message.to_json()), MOST_WAITING - 1])
        except RedisError as error:
            raise RedisUnavailable(f"Redis does not answer: {error}") from error

    def peek(self, count: int) -> list[bytes]:
        """Return the oldest messages, which stay until they are removed.

        A Redis that kept the last caller waiting is left alone until it answers: the relay, which
        calls this every two seconds, has other work.
        """
        if self._outage.is_on():
            raise RedisUnavailable("Redis did not answer just now.")
        asked_at = time.monotonic()
        try:
            found: list[bytes] = self._peek(keys=[KEY], args=[count, LARGEST_ENTRY_BYTES])
        except RedisError as error:
            self._outage.begin(time.monotonic() - asked_at)
            raise RedisUnavailable(f"Redis does not answer: {error}") from error
        return found

    def remove(self, entry: bytes) -> None:
        """Of what was seen by :meth:`peek`, what is stored elsewhere now."""
        try:
            self._redis.lrem(KEY, -1, entry)
        except RedisError as error:
            raise RedisUnavailable(f"Redis does not answer: {error}") from error

    def close(self) -> None:
        self._redis.close()


def parse_entry(entry: bytes) -> DeadMessage | None:
    """None for what is no refused message: anybody may write into Redis."""
    try:
        return read_dead_message(entry)
    except (ValueError, TypeError, RecursionError) as error:
        log.warning(
            "what is no refused message was dropped from Redis",
            key=KEY,
            why=clip_text(str(error), 200),
            size_bytes=len(entry),
        )
        return None
