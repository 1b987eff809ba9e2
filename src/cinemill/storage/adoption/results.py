"""Results under the keys in which Celery's own backend keeps them, for clients that read those."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from redis.exceptions import RedisError

from cinemill.storage.redis_servers import Outage, drop_refusing, open_redis

KEPT_SECONDS = 24 * 3600
"""As long as Celery keeps a result, unless it is told otherwise."""
PAUSE_AFTER_FAULT_SECONDS = 5.0
SOCKET_TIMEOUT_SECONDS = 2.0


def result_key(task_id: str) -> str:
    """Return the key, and the name of the channel, of a task's result."""
    return f"celery-task-meta-{task_id}"


class ResultCopies:
    """Never raises: a copy that is not written is missed by those alone who read copies."""

    def __init__(self, redis_url: str) -> None:
        self._redis: Any = open_redis(
            redis_url,
            socket_timeout=SOCKET_TIMEOUT_SECONDS,
            socket_connect_timeout=SOCKET_TIMEOUT_SECONDS,
        )
        self._outage = Outage(redis_url, self._redis.ping, pause_seconds=PAUSE_AFTER_FAULT_SECONDS)

    def put(self, documents: Mapping[str, str]) -> bool:
        """Write results, JSON by task id, and publish them as Celery does; return whether it did.

        A client that waits for a result subscribes to the channel, and then reads the key.
        """
        if self._outage.is_on():
            return False
        asked_at = time.monotonic()
        try:
            with self._redis.pipeline(transaction=False) as pipeline:
                for task_id, document in documents.items():
                    pipeline.set(result_key(task_id), document, ex=KEPT_SECONDS)
                    pipeline.publish(result_key(task_id), document)
                pipeline.execute()
        except RedisError as error:
            drop_refusing(self._redis, error)
            self._outage.begin(time.monotonic() - asked_at)
            return False
        return True

    def forget(self, task_id: str) -> None:
        """Remove the result of a task; where that fails, it expires in a day."""
        if self._outage.is_on():
            return
        asked_at = time.monotonic()
        try:
            self._redis.delete(result_key(task_id))
        except RedisError as error:
            drop_refusing(self._redis, error)
            self._outage.begin(time.monotonic() - asked_at)

    def close(self) -> None:
        self._redis.close()
