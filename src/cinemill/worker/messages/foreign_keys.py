"""What other programs have written under the names of the broker's keys in Redis."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cinemill.storage.redis_servers import is_wrong_type
from cinemill.telemetry import get_logger

log = get_logger(__name__)


def delete_foreign_keys(channel: Any, queues: Iterable[str]) -> None:
    """Delete what has the name of a key of ours in Redis, and holds another type of value.

    Anybody may have written it. It would end each attempt to consume: BRPOP names all lists of a
    worker at once, and is refused as long as one of them is no list. The lock under which held
    messages are restored may be of any type: without a time to live, nobody would get it again.
    """
    lists = [channel._q_for_pri(queue, step) for queue in queues for step in channel.priority_steps]
    bindings = [channel.keyprefix_queue % queue for queue in queues]
    lock = channel.unacked_mutex_key
    names = [*lists, *bindings, channel.unacked_key, channel.unacked_index_key, lock]
    pipeline = channel.client.pipeline(transaction=False)
    for name in lists:
        pipeline.llen(name)
    for name in bindings:
        pipeline.srem(name, "")  # nothing; kombu adds no prefix to what would only read
    pipeline.hlen(channel.unacked_key)
    pipeline.zrem(channel.unacked_index_key, "")
    pipeline.pexpire(lock, channel.unacked_mutex_expire * 1000, nx=True)
    answers = zip(names, pipeline.execute(raise_on_error=False), strict=True)
    for name in [name for name, answer in answers if is_wrong_type(answer)]:
        channel.client.delete(name)
        log.warning("what another program has written under a key of ours was deleted", key=name)
