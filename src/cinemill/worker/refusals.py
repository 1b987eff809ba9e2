"""A Redis that answers and refuses: full, read-only, demoted, misconfigured, busy with a script.

kombu 5.7 calls this a fault of the channel, not of the connection. Celery then lets the worker's
pool finish and consumes nothing more, for as long as its longest work takes; and a message that
Redis has handed over, and whose keeping it refuses, is gone.
"""

from __future__ import annotations

import time
from functools import cache
from typing import Any

from kombu.exceptions import OperationalError
from kombu.transport import redis, virtual
from kombu.utils.json import dumps

from cinemill.storage.redis_servers import FAULTS, REFUSALS
from cinemill.worker.throttle import ThrottledLog

BROKER_FAULTS: tuple[type[Exception], ...] = (OperationalError, OSError, *FAULTS)
"""What sending a message or asking the broker raises."""

_unstored: dict[str, Any] = {}
"""Messages that only this process has, by delivery tag. Not of one channel: they outlive it."""
_unremoved: set[str] = set()
"""Tags of messages that are dealt with and that Redis has not forgotten yet."""

log = ThrottledLog(__name__)


@cache
def survive_refusals() -> None:
    """Have this process' kombu take a refusal of Redis as the loss of a connection, which every
    part of it and of Celery survives, and lose no message that Redis has handed over."""
    redis.Transport.connection_errors = (*redis.Transport.connection_errors, *REFUSALS)
    _deliver_what_is_not_stored(redis.QoS)
    _settle_what_is_not_removed(redis.QoS)
    _catch_up_while_consuming(redis.QoS)


def _deliver_what_is_not_stored(qos_class: Any) -> None:
    store, restore = qos_class.append, qos_class.restore_by_tag

    def append(qos: Any, message: Any, delivery_tag: str) -> None:
        """Work on the message all the same, and store it when that works."""
        try:
            store(qos, message, delivery_tag)
        except REFUSALS as error:
            log.warning("Redis refuses to keep a message that it has handed over", why=str(error))
            _unstored[delivery_tag] = message
            virtual.QoS.append(qos, message, delivery_tag)

    def restore_by_tag(qos: Any, tag: str, client: Any = None, leftmost: bool = False) -> None:
        if tag in _unstored:
            _store(qos, tag)
        restore(qos, tag, client=client, leftmost=leftmost)

    qos_class.append, qos_class.restore_by_tag = append, restore_by_tag


def _settle_what_is_not_removed(qos_class: Any) -> None:
    acknowledge, refuse = qos_class.ack, qos_class.reject

    def ack(qos: Any, delivery_tag: str) -> None:
        _unstored.pop(delivery_tag, None)
        try:
            acknowledge(qos, delivery_tag)
        except REFUSALS as error:
            log.warning("Redis refuses to forget a message", why=str(error))
            _unremoved.add(delivery_tag)
            virtual.QoS.ack(qos, delivery_tag)

    def reject(qos: Any, delivery_tag: str, requeue: bool = False) -> None:
        """What cannot be queued again is queued by its visibility timeout."""
        try:
            refuse(qos, delivery_tag, requeue=requeue)
        except REFUSALS as error:
            log.warning("Redis refuses to queue a message again", why=str(error))
            if not requeue:
                _unremoved.add(delivery_tag)
            virtual.QoS.ack(qos, delivery_tag)

    qos_class.ack, qos_class.reject = ack, reject


def _catch_up_while_consuming(qos_class: Any) -> None:
    restore = qos_class.restore_visible

    def restore_visible(qos: Any, *args: Any, **options: Any) -> None:
        """Called every few seconds: what was refused before is done first."""
        for tag in list(_unremoved):
            qos._remove_from_indices(tag).execute()
            _unremoved.discard(tag)
        for tag in list(_unstored):
            _store(qos, tag)
        restore(qos, *args, **options)

    qos_class.restore_visible = restore_visible


def _store(qos: Any, tag: str) -> None:
    """As kombu's own ``append``, without giving the message to this channel."""
    message = _unstored[tag]
    origin = message.delivery_info
    entry = dumps([message._raw, origin["exchange"], origin["routing_key"]])
    with qos.pipe_or_acquire() as pipe:
        pipe.zadd(qos.unacked_index_key, {tag: time.time()})
        pipe.hset(qos.unacked_key, tag, entry)
        pipe.execute()
    _unstored.pop(tag, None)
