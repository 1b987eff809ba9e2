"""A Redis that responds but refuses: full, read-only, demoted, misconfigured, busy with a script.

kombu 5.7 treats this as an error of the channel, not of the connection. Celery then lets the
worker's pool finish and consumes nothing more for as long as its longest task takes; and a message
that Redis has delivered, but refuses to store as unacknowledged, is lost.
"""

from __future__ import annotations

import time
from typing import Any

from kombu.exceptions import OperationalError
from kombu.transport import redis, virtual
from kombu.utils.json import dumps

from cinemill.storage.redis_servers import FAULTS, REFUSALS, is_wrong_type
from cinemill.worker.messages.foreign_keys import delete_foreign_keys
from cinemill.worker.messages.throttle import ThrottledLog

BROKER_FAULTS: tuple[type[Exception], ...] = (OperationalError, OSError, *FAULTS)
"""The exceptions that sending a message or querying the broker raises."""

_unstored: dict[str, Any] = {}
"""Messages that only this process has, by delivery tag; global, since they outlive a channel."""
_unremoved: set[str] = set()
"""Tags of messages that are done but not yet removed from Redis."""

FUTURE_SECONDS = 60.0
"""Clocks of machines that are synchronized differ by less."""
REWOUND_AT_ONCE = 100

log = ThrottledLog(__name__)


class RefusalTolerantQoS(redis.QoS):
    """Held messages, which are stored, returned and removed as soon as Redis permits it."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """Deliver the message even if Redis refuses to store it, and store it later."""
        try:
            super().append(message, delivery_tag)
        except REFUSALS as error:
            log.warning("Redis refuses to store a message that it has delivered", why=str(error))
            _unstored[delivery_tag] = message
            virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        _unstored.pop(delivery_tag, None)
        try:
            super().ack(delivery_tag)
        except REFUSALS as error:
            log.warning("Redis refuses to remove a message", why=str(error))
            _unremoved.add(delivery_tag)
            self.leave(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Queue the message again, or remove it.

        If Redis refuses to queue it, its visibility timeout does so later.
        """
        try:
            super().reject(delivery_tag, requeue=requeue)
        except REFUSALS as error:
            log.warning("Redis refuses to queue a message again", why=str(error))
            if not requeue:
                _unremoved.add(delivery_tag)
            self.leave(delivery_tag)

    def leave(self, delivery_tag: str) -> None:
        """Let the message be delivered again, to any worker, after its visibility timeout."""
        virtual.QoS.ack(self, delivery_tag)

    def restore_visible(self, *args: Any, **options: Any) -> None:
        """Retry operations that were refused before, then restore; called every few seconds."""
        try:
            self._restore_visible(*args, **options)
        except REFUSALS as error:
            if not is_wrong_type(error):
                raise
            delete_foreign_keys(self.channel, ())  # the next call finds them gone

    def _restore_visible(self, *args: Any, **options: Any) -> None:
        for tag in list(_unremoved):
            self._remove_from_indices(tag).execute()
            _unremoved.discard(tag)
        for tag in list(_unstored):
            self.store_pending(tag)
        self.rewind_future()
        super().restore_visible(*args, **options)

    def rewind_future(self) -> None:
        """Let messages that are held since later than now count as held from now on.

        The clock of the machine that took them was ahead, or this one's was set back. Their worker
        may be dead, and they would wait until the clock has caught up.
        """
        now = time.time()
        with self.channel.conn_or_acquire() as client:
            tags = client.zrange(
                self.unacked_index_key,
                now + FUTURE_SECONDS,
                "+inf",
                byscore=True,
                offset=0,
                num=REWOUND_AT_ONCE,
            )
            for tag in tags:
                client.zadd(self.unacked_index_key, {tag: now}, xx=True, lt=True)

    def store_pending(self, tag: str) -> None:
        """Store a message if Redis refused to store it before.

        This does what kombu's own ``append`` does, without adding the message to this channel.
        """
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
