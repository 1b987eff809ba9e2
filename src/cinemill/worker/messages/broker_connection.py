"""Celery's consumer, made to recover from a broker that refuses writes as from one that is down."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from celery.worker import state
from celery.worker.consumer import Consumer

from cinemill.storage.redis_servers import REFUSALS, is_wrong_type
from cinemill.telemetry import get_logger
from cinemill.worker.messages.throttle import ThrottledLog

PROBE_KEY = "probe"
PROBE_TTL_SECONDS = 60
RETRY_SECONDS = 1.0

log = get_logger(__name__)
often = ThrottledLog(__name__)


class PatientConsumer(Consumer):
    """Waits until Redis takes writes before it consumes.

    Celery reconnects at once to a broker that responds, and is refused again: several times a
    second, with a critical message each second.
    """

    waits_for_broker = False
    """Whether it waits for a broker that takes writes; it consumes nothing meanwhile."""

    def ensure_connected(self, conn: Any) -> Any:
        """Return a connection to a broker that takes writes; wait as long as there is none."""
        self.waits_for_broker = True
        try:
            conn = super().ensure_connected(conn)
            refusal = find_refusal(conn)
            if refusal is not None:
                conn = self._await_writes(conn, refusal)
            delete_foreign_keys(conn, self.app.amqp.queues.consume_from)
            return conn
        finally:
            self.waits_for_broker = False

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Wait before reconnecting to a broker that refuses.

        A refusal to this worker only, by an access list for example, would cause a tight loop.
        """
        super().on_connection_error_after_connected(exc)
        if isinstance(exc, REFUSALS):
            often.warning("the broker refuses", why=str(exc))
            time.sleep(RETRY_SECONDS)

    def _await_writes(self, conn: Any, refusal: str | None) -> Any:
        began = time.monotonic()
        while refusal is not None:
            often.warning("the broker refuses writes; waiting for it", why=refusal)
            conn = self._connect_again(conn)
            refusal = find_refusal(conn)
        waited_seconds = round(time.monotonic() - began, 1)
        log.info("the broker accepts writes again", waited_seconds=waited_seconds)
        return conn

    def _connect_again(self, conn: Any) -> Any:
        """Reconnect on new sockets: the server that refuses may be a primary that was replaced."""
        state.maybe_shutdown()
        time.sleep(RETRY_SECONDS)
        conn.collect()
        conn.maybe_switch_next()
        return super().ensure_connected(conn)


def find_refusal(conn: Any) -> str | None:
    """Return why Redis does not take a write; None if it does, and for other brokers."""
    if conn.transport.driver_type != "redis":
        return None
    try:
        with conn.channel() as channel:
            channel.client.set(PROBE_KEY, "", ex=PROBE_TTL_SECONDS)
    except REFUSALS as error:
        return str(error)
    return None


def delete_foreign_keys(conn: Any, queues: Iterable[str]) -> None:
    """Delete what has the name of a key of ours in Redis, and holds another type of value.

    Anybody may have written it. It would end each attempt to consume: BRPOP names all lists of a
    worker at once, and is refused as long as one of them is no list. The lock under which held
    messages are restored may be of any type: without a time to live, nobody would get it again.
    """
    if conn.transport.driver_type != "redis":
        return
    with conn.channel() as channel:
        lists = [
            channel._q_for_pri(queue, step) for queue in queues for step in channel.priority_steps
        ]
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
            log.warning(
                "what another program has written under a key of ours was deleted", key=name
            )
