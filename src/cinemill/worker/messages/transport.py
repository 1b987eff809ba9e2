"""kombu's Redis transport, hardened so that no item in Redis can end its consumer.

kombu 5.7 decodes items without any guard: one that is not JSON, or lacks a member, raises an error
that ends the worker's event loop, and a held message that cannot be decoded does so at each
restart. Here every item becomes a well-formed envelope first (see ``envelope``), and held messages
count how often a worker neither finished nor returned them.
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
    MAX_INTERRUPTIONS,
    check_broadcast,
    check_command,
    excerpt,
    read_envelope,
    read_held,
)
from cinemill.worker.messages.refusals import RefusalTolerantQoS
from cinemill.worker.messages.throttle import ThrottledLog

COMMANDS_EXCHANGE = "celery.pidbox"
"""The exchange of Celery's remote control, from its setting ``control_exchange``."""
FALLBACK_QUEUE = "default"
"""The queue for a held message whose own queue cannot be read any more."""

log = get_logger(__name__)
often = ThrottledLog(__name__)


def register_transports() -> None:
    """Have kombu use these classes in this process for all Redis addresses."""
    ours = {"redis": Transport, "rediss": Transport, "sentinel": SentinelTransport}
    for alias, transport in ours.items():
        kombu_transports.TRANSPORT_ALIASES[alias] = f"{__name__}:{transport.__name__}"
        kombu_transports._transport_cache.pop(alias, None)


class QoS(RefusalTolerantQoS):
    """Held messages, which go back to the queue that they came from, readable or not."""

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        """Return a message of a worker that died or lost its connection, and count an interruption.

        In a worker that is being stopped this does not count.
        """
        self._put_back(tag, client, leftmost, is_interrupted=not is_stop_requested())

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Remove or requeue a message; one that its own task requeues has harmed no worker."""
        if not requeue:
            super().reject(delivery_tag)
            return
        message = self._delivered.get(delivery_tag)
        ended = getattr(message, "ended_its_process", False)
        try:
            self._put_back(delivery_tag, None, True, is_interrupted=ended, is_returned=not ended)
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
        is_returned: bool = False,
    ) -> None:
        self.store_pending(tag)

        def restore(pipe: Any) -> None:
            held = pipe.hget(self.unacked_key, tag)
            pipe.multi()
            self._remove_from_indices(tag, pipe)
            if held:
                envelope, queue = read_held(held, FALLBACK_QUEUE)
                _count(envelope["headers"], is_interrupted=is_interrupted, is_returned=is_returned)
                envelope["properties"]["delivery_info"]["redelivered"] = True
                priority = self.channel._get_message_priority(envelope, reverse=False)
                push = pipe.lpush if leftmost else pipe.rpush
                push(self.channel._q_for_pri(queue, priority), dumps(envelope))

        with self.channel.conn_or_acquire(client) as connected:
            connected.transaction(restore, self.unacked_key)


def _count(headers: dict[str, Any], *, is_interrupted: bool, is_returned: bool) -> None:
    headers["redelivered"] = True
    counted = 0 if is_returned else read_interruptions(headers)
    headers[INTERRUPTED_HEADER] = counted + is_interrupted


def read_interruptions(headers: Mapping[str, object]) -> int:
    """Return how often in a row workers died with the message, at most three."""
    counted = headers.get(INTERRUPTED_HEADER)
    if not isinstance(counted, int):
        return 0
    return min(max(counted, 0), MAX_INTERRUPTIONS)


def is_stop_requested() -> bool:
    """Return whether this process is a worker that was asked to stop, not one that fails."""
    # Looked up, not imported: clients and beat are no workers, and should not load the module.
    state: Any = sys.modules.get("celery.worker.state")
    asked = (state.should_stop, state.should_terminate) if state is not None else ()
    return any(one is not None and one is not False for one in asked)


class _GuardedChannel:
    """Delivery that raises only because of the connection, never because of an item's content."""

    QoS = QoS

    def _brpop_read(self: Any, **options: Any) -> bool:
        """Read an item as kombu does, except for how the item is decoded."""
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
        """Receive a control message or event; drop a broken one, for which no client waits."""
        connection_faults = (Empty, *self.connection_errors, *self.connection.channel_errors)
        try:
            return super()._receive_one(client)  # type: ignore[misc]
        except connection_faults:
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
    """A transport to which a refusal of Redis is a lost connection, which Celery survives."""

    Channel = Channel
    connection_errors = (*redis.Transport.connection_errors, *REFUSALS)


class SentinelTransport(redis.SentinelTransport):
    Channel = SentinelChannel
    connection_errors = Transport.connection_errors
