"""Celery's consumer, made to recover from a broker that refuses writes as from one that is down."""

from __future__ import annotations

import time
from typing import Any

from celery.worker import state
from celery.worker.consumer import Consumer

from cinemill.storage.redis_servers import REFUSALS
from cinemill.telemetry import get_logger
from cinemill.worker.messages.foreign_keys import delete_foreign_keys
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
            if conn.transport.driver_type == "redis":
                with conn.channel() as channel:
                    delete_foreign_keys(channel, self.app.amqp.queues.consume_from)
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
