"""A Redis that answers and refuses: full, read-only, demoted, misconfigured, busy with a script.

kombu 5.7 calls this a fault of the channel, not of the connection. Celery then lets the worker's
pool finish and consumes nothing more, for as long as its longest work takes; and a message that
Redis has handed over, and whose keeping it refuses, is gone.
"""

from __future__ import annotations

import time
from typing import Any

from kombu.exceptions import OperationalError
from kombu.transport import redis, virtual
from kombu.utils.json import dumps

from cinemill.storage.redis_servers import FAULTS, REFUSALS
from cinemill.worker.messages.throttle import ThrottledLog

BROKER_FAULTS: tuple[type[Exception], ...] = (OperationalError, OSError, *FAULTS)
"""What sending a message or asking the broker raises."""

_unstored: dict[str, Any] = {}
"""Messages that only this process has, by delivery tag. Not of one channel: they outlive it."""
_unremoved: set[str] = set()
"""Tags of messages that are dealt with and that Redis has not forgotten yet."""

log = ThrottledLog(__name__)


class RefusalTolerantQoS(redis.QoS):
    """Held messages that are kept, given back and forgotten as soon as Redis lets it be done."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """Deliver the message all the same, and store it when that works."""
        try:
            super().append(message, delivery_tag)
        except REFUSALS as error:
            log.warning("Redis refuses to keep a message that it has handed over", why=str(error))
            _unstored[delivery_tag] = message
            virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        _unstored.pop(delivery_tag, None)
        try:
            super().ack(delivery_tag)
        except REFUSALS as error:
            log.warning("Redis refuses to forget a message", why=str(error))
            _unremoved.add(delivery_tag)
            self.leave(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Queue the message again, or forget it. What cannot be queued again is queued by its
        visibility timeout."""
        try:
            super().reject(delivery_tag, requeue=requeue)
        except REFUSALS as error:
            log.warning("Redis refuses to queue a message again", why=str(error))
            if not requeue:
                _unremoved.add(delivery_tag)
            self.leave(delivery_tag)

    def leave(self, delivery_tag: str) -> None:
        """Let the message be delivered again, to anybody, after its visibility timeout."""
        virtual.QoS.ack(self, delivery_tag)

    def restore_visible(self, *args: Any, **options: Any) -> None:
        """Called every few seconds: what was refused before is done first."""
        for tag in list(_unremoved):
            self._remove_from_indices(tag).execute()
            _unremoved.discard(tag)
        for tag in list(_unstored):
            self.store_pending(tag)
        super().restore_visible(*args, **options)

    def store_pending(self, tag: str) -> None:
        """Store a message whose storing was refused; one that is stored already stays as it is.
        As kombu's own ``append``, without giving the message to this channel."""
        message = _unstored.get(tag)
        if message is None:
            return
        origin = message.delivery_info
        entry = dumps([message._raw, origin["exchange"], origin["routing_key"]])
        with self.pipe_or_acquire() as pipe:
            pipe.zadd(self.unacked_index_key, {tag: time.time()})
            pipe.hset(self.unacked_key, tag, entry)
            pipe.execute()
        _unstored.pop(tag, None)
