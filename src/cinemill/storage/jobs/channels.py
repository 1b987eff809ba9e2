"""The channels that PostgreSQL wakes listeners on when a transaction commits."""

from __future__ import annotations

from sqlalchemy import Connection, text

READY_CHANNEL = "cinemill_ready"
CANCEL_CHANNEL = "cinemill_cancel"
ENDED_CHANNEL = "cinemill_ended"


def notify(connection: Connection, channel: str, payload: str) -> None:
    """Wake listeners once this transaction commits; nothing is lost where nobody listens."""
    connection.execute(
        text("SELECT pg_notify(:channel, :payload)"), {"channel": channel, "payload": payload}
    )
