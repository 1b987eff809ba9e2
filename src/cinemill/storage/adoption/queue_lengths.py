"""Lists as long as queues of other systems would be, for scripts that ask ``LLEN render_queue``.

What waits is in rows, and of messages only as many as workers can take soon. So each list holds a
placeholder for every job that waits. Placeholders are pushed to where the newest messages are:
those that a stock client puts there are still found at the other end.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from redis.exceptions import NoPermissionError, RedisError

from cinemill.errors import RedisUnavailable
from cinemill.storage.redis_servers import open_redis

MOST_PLACEHOLDERS = 100_000
SOCKET_TIMEOUT_SECONDS = 2.0

# KEYS: a list. ARGV: how many placeholders it is to hold, the placeholder. Other items stay.
_FILL = """
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'list' and kind ~= 'none' then return 0 end
if kind == 'list' then redis.call('LREM', KEYS[1], 0, ARGV[2]) end
local left = tonumber(ARGV[1])
while left > 0 do
  local some = {}
  for i = 1, math.min(left, 1000) do some[i] = ARGV[2] end
  redis.call('LPUSH', KEYS[1], unpack(some))
  left = left - #some
end
return 1
"""


def write_placeholder() -> str:
    """Return a message that any Celery worker discards: it has expired, of nobody's task."""
    task_id = "cinemill-waiting"
    body = [[], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
    message = {
        "body": base64.b64encode(json.dumps(body).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": "cinemill.waiting",
            "id": task_id,
            "root_id": task_id,
            "parent_id": None,
            "group": None,
            "eta": None,
            "expires": "2000-01-01T00:00:00+00:00",
            "retries": 0,
            "timelimit": [None, None],
        },
        "properties": {
            "correlation_id": task_id,
            "delivery_info": {"exchange": "", "routing_key": ""},
            "delivery_mode": 2,
            "delivery_tag": task_id,
            "body_encoding": "base64",
            "priority": 0,
        },
    }
    return json.dumps(message, sort_keys=True)


PLACEHOLDER = write_placeholder()


class QueueLists:
    """All raise RedisUnavailable."""

    def __init__(self, redis_url: str) -> None:
        self._redis: Any = open_redis(
            redis_url,
            socket_timeout=SOCKET_TIMEOUT_SECONDS,
            socket_connect_timeout=SOCKET_TIMEOUT_SECONDS,
        )
        self._fill = self._redis.register_script(_FILL)

    def fill(self, lengths: Mapping[str, int]) -> None:
        """Let each of these lists hold so many placeholders, besides what others put there.

        Nothing is written where an access list forbids it.
        """
        try:
            for name, length in lengths.items():
                count = min(length, MOST_PLACEHOLDERS)
                self._fill(keys=[name], args=[count, PLACEHOLDER])
        except NoPermissionError:
            return  # an access list may permit us our own keys alone
        except RedisError as error:
            raise RedisUnavailable(f"Redis does not answer: {error}") from error

    def list_short(self, lengths: Mapping[str, int]) -> set[str]:
        """Return which of these lists hold fewer items than so many placeholders.

        None of those that are no lists, or that an access list keeps from us.
        """
        try:
            pipeline = self._redis.pipeline(transaction=False)
            for name in lengths:
                pipeline.llen(name)
            found = pipeline.execute(raise_on_error=False) if lengths else []
        except RedisError as error:
            raise RedisUnavailable(f"Redis does not answer: {error}") from error
        return {
            name
            for name, count in zip(lengths, found, strict=True)
            if isinstance(count, int) and count < min(lengths[name], MOST_PLACEHOLDERS)
        }

    def close(self) -> None:
        self._redis.close()
