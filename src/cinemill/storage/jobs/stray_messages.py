"""Messages in lists without our key prefix, where a stock Celery client puts them.

Such a client does not set ``global_keyprefix``, and no worker of ours reads its lists. The Redis
may be shared: only messages that name a known task are counted or moved, and of a list only its
end, where the oldest lie.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any
from uuid import uuid4

from redis.exceptions import NoPermissionError, RedisError

from cinemill.errors import RedisUnavailable
from cinemill.storage.redis_servers import open_redis
from cinemill.storage.redis_trial import find_refusal

SEPARATOR = "\x06\x16"
"""Between a queue and its priority in kombu's names of lists."""
PRIORITY_STEPS = 10
MOST_LOOKED_AT = 200
"""Messages of a list in one look."""
MOST_LOOKED_AT_BYTES = 4 * 1024**2
ANY_TASK = "*"
"""Instead of names of tasks: every message that names one."""
LARGEST_MESSAGE_BYTES = 16 * 1024**2
"""A message beyond this is no task: workers take 12 MiB."""
COMMANDS_EXCHANGE = "celery.pidbox"
"""Each Celery worker listens to it, unless its remote control is turned off."""
SOCKET_TIMEOUT_SECONDS = 2.0
TRIAL_KEYS = ("cinemill:broker_health", "cinemill:broker_health:stream")

# KEYS: a list, the list to move to. ARGV: how many to look at, bytes to look at, bytes of the
# first message, 'move' or 'count', then names of tasks, which may stand in any module. The oldest
# message lies last. Returns how many were found.
_SCAN = """
if redis.call('TYPE', KEYS[1]).ok ~= 'list' then return 0 end
local known, found, bytes, moved = {}, 0, 0, 0
for i = 5, #ARGV do known[ARGV[i]] = true end
local function is_known(task)
  -- Celery names a task after its module. One word, such as shop.tasks.cleanup, says too little.
  local module, name = string.match(task, '^(.*)%.([^.]*_[^.]*)$')
  return known[task] or (module and module ~= 'step' and module ~= 'celery' and known[name])
end
for i = 1, tonumber(ARGV[1]) do
  local item = redis.call('LINDEX', KEYS[1], -i + moved)
  if not item then break end
  bytes = bytes + #item
  if bytes > tonumber(ARGV[2]) and (i > 1 or bytes > tonumber(ARGV[3])) then break end
  local is_json, message = pcall(cjson.decode, item)
  local headers = is_json and type(message) == 'table' and message.headers
  if type(headers) == 'table' and type(headers.task) == 'string'
      and (is_known(headers.task) or known['*']) then
    found = found + 1
    if ARGV[4] == 'move' then
      redis.call('LPUSH', KEYS[2], item)
      redis.call('LREM', KEYS[1], -1, item)
      moved = moved + 1
    end
  end
end
return found
"""

# KEYS: lists. Answers the SHA-1 of the oldest message of each, or an empty text.
_DIGEST = """
local digests = {}
for i, key in ipairs(KEYS) do
  local item = redis.call('TYPE', key).ok == 'list' and redis.call('LINDEX', key, -1)
  digests[i] = item and redis.sha1hex(item) or ''
end
return digests
"""


class StrayMessages:
    """All raise RedisUnavailable."""

    def __init__(self, redis_url: str, *, prefix: str) -> None:
        """``prefix`` is that of our own lists."""
        self._prefix = prefix
        self._redis: Any = open_redis(
            redis_url,
            socket_timeout=SOCKET_TIMEOUT_SECONDS,
            socket_connect_timeout=SOCKET_TIMEOUT_SECONDS,
        )
        self._scan = self._redis.register_script(_SCAN)
        self._digest = self._redis.register_script(_DIGEST)

    def list_filled(self, queues: Collection[str]) -> dict[str, str]:
        """Return the lists that are not empty, by name, with a digest of the oldest message.

        None where an access list permits us our own lists alone.
        """
        names = [name for queue in queues for name in list_names(queue)]
        if not names:
            return {}
        try:
            digests = self._digest(keys=names)
        except NoPermissionError:
            return {}
        except RedisError as error:
            raise RedisUnavailable(f"Redis does not answer: {error}") from error
        found = zip(names, digests, strict=True)
        return {name: digest.decode() for name, digest in found if digest}

    def count_workers(self) -> int:
        """How many Celery workers without our key prefix are connected to this database.

        Each subscribes to a channel by a pattern, of which Redis lists none; but it reports who
        publishes how many have got a message: a ping here, for a worker that there is not.
        """
        try:
            database = self._redis.connection_pool.connection_kwargs.get("db") or 0
            channel = f"/{database}.{COMMANDS_EXCHANGE}"
            return int(self._redis.publish(channel, _write_ping_for_nobody()))
        except RedisError as error:
            raise RedisUnavailable(f"Redis does not answer: {error}") from error

    def count(self, name: str, tasks: Sequence[str]) -> int:
        """How many at the end of this list name one of these tasks."""
        return self._run(name, name, "count", tasks)

    def adopt(self, name: str, tasks: Sequence[str], queue: str) -> int:
        """Move those into our own list of this queue and return how many."""
        return self._run(name, f"{self._prefix}{queue}", "move", tasks)

    def _run(self, name: str, target: str, how: str, tasks: Sequence[str]) -> int:
        try:
            arguments: list[str | int] = [
                MOST_LOOKED_AT,
                MOST_LOOKED_AT_BYTES,
                LARGEST_MESSAGE_BYTES,
                how,
                *tasks,
            ]
            return int(self._scan(keys=[name, target], args=arguments))
        except RedisError as error:
            raise RedisUnavailable(f"Redis does not answer: {error}") from error

    def find_refusal(self) -> str | None:
        """Return why the server does not do what messages need; None where it does."""
        try:
            return find_refusal(self._redis, TRIAL_KEYS)
        except RedisError as error:
            raise RedisUnavailable(f"The broker does not answer: {error}") from error

    def close(self) -> None:
        self._redis.close()


def open_stray_messages(broker_url: str | None, *, prefix: str = "") -> StrayMessages | None:
    """None for a broker that is no Redis: it has no key prefixes."""
    redis_url = find_redis_url(broker_url)
    return None if redis_url is None else StrayMessages(redis_url, prefix=prefix)


def find_redis_url(broker_url: str | None) -> str | None:
    """Return the address of a broker as clients of Redis have it; None where it is no Redis."""
    if broker_url is None:
        return None
    if broker_url.startswith("redis+socket://"):  # kombu's spelling of a socket
        broker_url = broker_url.replace("redis+socket", "unix", 1).replace("virtual_host=", "db=")
    is_redis = broker_url.startswith(("redis://", "rediss://", "unix://", "sentinel://"))
    return broker_url if is_redis else None


def count_stray_messages(
    broker_url: str | None, queues: Collection[str], tasks: Collection[str]
) -> dict[str, int]:
    """Count messages in lists of ``queues`` that name one of ``tasks``, by queue.

    None are counted where Celery workers without our prefix are there to read them. Raises
    RedisUnavailable.
    """
    messages = open_stray_messages(broker_url)
    if messages is None:
        return {}
    found: Counter[str] = Counter()
    try:
        for name in messages.list_filled(sorted(queues)):
            found[queue_of(name)] += messages.count(name, sorted(tasks))
        if found.total() and messages.count_workers():
            return {}
    finally:
        messages.close()
    return {queue: count for queue, count in found.items() if count}


def find_broker_refusal(broker_url: str | None) -> str | None:
    """Return why the broker does not do what messages need; None where it does, or is no Redis.

    Raises RedisUnavailable where it does not answer.
    """
    messages = open_stray_messages(broker_url)
    if messages is None:
        return None
    try:
        return messages.find_refusal()
    finally:
        messages.close()


def queue_of(name: str) -> str:
    """Return the queue that a list belongs to."""
    return name.split(SEPARATOR, 1)[0]


def list_names(queue: str) -> list[str]:
    """Return the lists of a queue, one for each priority."""
    steps = [f"{queue}{SEPARATOR}{step}" for step in range(1, PRIORITY_STEPS)]
    return [queue, *steps]


def _write_ping_for_nobody() -> str:
    """Return a kombu control command that each worker reads and leaves to another."""
    command: dict[str, Any] = {
        "method": "ping",
        "arguments": {},
        "destination": ["nobody@cinemill"],
        "pattern": None,
        "matcher": None,
    }
    message = {
        "body": base64.b64encode(json.dumps(command).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"clock": 0},
        "properties": {
            "delivery_mode": 2,
            "delivery_info": {"exchange": COMMANDS_EXCHANGE, "routing_key": ""},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid4()),
        },
    }
    return json.dumps(message)
