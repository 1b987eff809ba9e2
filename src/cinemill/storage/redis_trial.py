"""A trial of what Cinemill asks of Redis: all of it at once, on keys that are gone afterwards.

A server may take a SET and refuse what events and messages need: an access list names commands,
keys and channels one by one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import redis
import redis.asyncio

from cinemill.storage.redis_servers import REFUSALS

TRIAL_CHANNEL = "cinemill:health"
"""Nobody listens to it."""
TRIAL_TTL_SECONDS = 60
_LASTING = ("db index is out of range", "invalid database", "protected mode", "no permissions")
_SCRIPT_PLACE = re.compile(r"^ACL failure in script: |,?\s*script: .*$")

# KEYS: one of any type, a stream. ARGV: seconds, a channel. As in a real script, the first command
# that is refused ends it.
_TRIAL = """
redis.call('PING')
redis.call('GET', KEYS[1])
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('XADD', KEYS[2], '*', 'data', '')
redis.call('EXPIRE', KEYS[2], ARGV[1])
redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
redis.call('DEL', KEYS[2])
redis.call('LPUSH', KEYS[1], '')
redis.call('LLEN', KEYS[1])
redis.call('RPOP', KEYS[1])
redis.call('SADD', KEYS[1], '')
redis.call('SMEMBERS', KEYS[1])
redis.call('SREM', KEYS[1], '')
redis.call('HSET', KEYS[1], 'a', '')
redis.call('HGET', KEYS[1], 'a')
redis.call('HDEL', KEYS[1], 'a')
redis.call('ZADD', KEYS[1], 0, '')
redis.call('ZREM', KEYS[1], '')
redis.call('SET', KEYS[1], '', 'EX', ARGV[1])
redis.call('PUBLISH', ARGV[2], '')
return 1
"""


def find_refusal(client: redis.Redis, keys: Sequence[str]) -> str | None:
    """Return why this server does not do what Cinemill needs; None where it does.

    ``keys`` are two: one of any type, and one for a stream. Raises redis.RedisError where the
    server does not answer.
    """
    try:
        try_everything(client, keys)
    except REFUSALS as error:
        return describe_refusal(error)
    return None


def try_everything(client: redis.Redis, keys: Sequence[str]) -> None:
    """Do all that Cinemill needs, on keys as ``find_refusal`` has them. Raises redis.RedisError."""
    client.set(keys[0], "", ex=TRIAL_TTL_SECONDS)
    client.eval(_TRIAL, 2, *keys, str(TRIAL_TTL_SECONDS), TRIAL_CHANNEL)


async def find_refusal_async(client: redis.asyncio.Redis, keys: Sequence[str]) -> str | None:
    """Do the same with asyncio."""
    try:
        await client.set(keys[0], "", ex=TRIAL_TTL_SECONDS)
        answer = client.eval(_TRIAL, 2, *keys, str(TRIAL_TTL_SECONDS), TRIAL_CHANNEL)
        if not isinstance(answer, str):
            await answer
    except REFUSALS as error:
        return describe_refusal(error)
    return None


def is_lasting(error: Exception) -> bool:
    """Check whether this server refuses such a client until somebody changes something."""
    words = str(error).lower()
    return isinstance(error, redis.AuthenticationError) or any(one in words for one in _LASTING)


def describe_refusal(error: Exception) -> str:
    """Return the server's words, without the place in a script that says nothing to people."""
    words = _SCRIPT_PLACE.sub("", str(error)).strip().rstrip(".")
    return words or "it gives no reason"
