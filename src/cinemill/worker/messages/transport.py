"""kombu's Redis transport, such that no item in Redis can end whoever consumes it.

kombu 5.7 decodes items outside any guard: one that is not JSON, or lacks a member, raises out of
the worker's event loop and ends it, and a held message that cannot be decoded does so at each
restart. Here every item becomes a well-formed envelope first (see ``envelope``), and held messages
count how often a worker did not answer for them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from queue import Empty
from typing import Any

from kombu import transport as kombu_transports
from kombu.transport import redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps

from cinemill.errors import InputRejected
from cinemill.storage.redis_servers import REFUSALS
from cinemill.telemetry import get_logger
from cinemill.worker.messages.envelope import (
    INTERRUPTED_HEADER,
    MOST_INTERRUPTIONS,
    check_broadcast,
    check_command,
    excerpt,
    read_envelope,
    read_held,
)
from cinemill.worker.messages.refusals import RefusalTolerantQoS
from cinemill.worker.messages.throttle import ThrottledLog

COMMANDS_EXCHANGE = "celery.pidbox"
"""Of Celery's remote control, as its setting ``control_exchange`` names it."""
FALLBACK_QUEUE = "default"
"""Where a held message goes whose queue cannot be read any more."""

log = get_logger(__name__)
often = ThrottledLog(__name__)


def register_transports() -> None:
    """Have kombu use these classes in this process wherever an address is one of Redis."""
    ours = {"redis": Transport, "rediss": Transport, "sentinel": SentinelTransport}
    for alias, transport in ours.items():
        kombu_transports.TRANSPORT_ALIASES[alias] = f"{__name__}:{transport.__name__}"
        kombu_transports._transport_cache.pop(alias, None)


class QoS(RefusalTolerantQoS):
    """Held messages go back to the queue that they came from, readable or not."""

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        """Of a worker that died or lost its connection; one that was told to stop is no sign."""
        self._put_back(tag, client, leftmost, is_interrupted=not is_told_to_stop())

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """A task that asks for its message again has answered: it harms nobody."""
        if not requeue:
            super().reject(delivery_tag)
            return
        message = self._delivered.get(delivery_tag)
        ended = getattr(message, "ended_its_process", False)
        try:
            self._put_back(delivery_tag, None, True, is_interrupted=ended, is_answered=not ended)
        except REFUSALS as error:
            often.warning("Redis refuses to queue a message again", why=str(error))
        self.leave(delivery_tag)

    def _put_back(
        self,
        tag: Any,
        client: Any,
        leftmost: bool,
        *,
        is_interrupted: bool,
        is_answered: bool = False,
    ) -> None:
        self.store_pending(tag)

        def restore(pipe: Any) -> None:
            held = pipe.hget(self.unacked_key, tag)
            pipe.multi()
            self._remove_from_indices(tag, pipe)
            if held:
                envelope, queue = read_held(held, FALLBACK_QUEUE)
                _count(envelope["headers"], is_interrupted=is_interrupted, is_answered=is_answered)
                envelope["properties"]["delivery_info"]["redelivered"] = True
                priority = self.channel._get_message_priority(envelope, reverse=False)
                push = pipe.lpush if leftmost else pipe.rpush
                push(self.channel._q_for_pri(queue, priority), dumps(envelope))

        with self.channel.conn_or_acquire(client) as connected:
            connected.transaction(restore, self.unacked_key)


def _count(headers: dict[str, Any], *, is_interrupted: bool, is_answered: bool) -> None:
    headers["redelivered"] = True
    counted = 0 if is_answered else read_interruptions(headers)
    headers[INTERRUPTED_HEADER] = counted + is_interrupted


def read_interruptions(headers: Mapping[str, object]) -> int:
    """How often in a row no answer came for the message, at most three."""
    counted = headers.get(INTERRUPTED_HEADER)
    if not isinstance(counted, int):
        return 0
    return min(max(counted, 0), MOST_INTERRUPTIONS)


def is_told_to_stop() -> bool:
    """Whether this process is a worker that was asked to stop, rather than one that fails."""
    # Looked up, not imported: clients and beat have no worker, and no memory for one.
    state: Any = sys.modules.get("celery.worker.state")
    asked = (state.should_stop, state.should_terminate) if state is not None else ()
    return any(one is not None and one is not False for one in asked)


class _GuardedChannel:
    """Delivery that raises for no item's sake; only for that of the connection."""

    QoS = QoS

    def _brpop_read(self: Any, **options: Any) -> bool:
        """kombu's own, but for how the item is read."""
        try:
            try:
                taken = self.client.parse_response(self.client.connection, "BRPOP", **options)
            except self.connection_errors:
                self.client.connection.disconnect()
                raise
            if not taken:
                raise Empty
            key, item = taken
            queue = bytes_to_str(key).rsplit(self.sep, 1)[0]
            self._queue_cycle.rotate(queue)
            self.connection._deliver(read_envelope(item, queue), queue)
            return True
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()

    def _receive_one(self: Any, client: Any) -> Any:
        """A control message or an event. Nobody waits for one that is broken: it is dropped."""
        lasting = (Empty, *self.connection_errors, *self.connection.channel_errors)
        try:
            return super()._receive_one(client)  # type: ignore[misc]
        except lasting:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it holds, the worker goes on
            log.warning("a broken broadcast was dropped", why=f"{type(error).__name__}: {error}")
            return True

    def _deliver_fanout_message(self: Any, message: Any, exchange: str) -> Any:
        try:
            checked = check_broadcast(message)
            if exchange == COMMANDS_EXCHANGE:
                check_command(checked)
        except InputRejected as error:
            log.warning(
                "a broken broadcast was dropped", why=error.message, excerpt=excerpt(repr(message))
            )
            return True
        return super()._deliver_fanout_message(checked, exchange)  # type: ignore[misc]


class Channel(_GuardedChannel, redis.Channel):  # type: ignore[misc]
    pass


class SentinelChannel(_GuardedChannel, redis.SentinelChannel):  # type: ignore[misc]
    pass


class Transport(redis.Transport):
    """A refusal of Redis is to kombu and Celery the loss of a connection, which they survive."""

    Channel = Channel
    connection_errors = (*redis.Transport.connection_errors, *REFUSALS)


class SentinelTransport(redis.SentinelTransport):
    Channel = SentinelChannel
    connection_errors = Transport.connection_errors
