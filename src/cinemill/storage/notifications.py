"""LISTEN: woken by PostgreSQL. Notifications may be lost, so listeners also poll by the clock."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import psycopg
from psycopg import sql

from cinemill.errors import DatabaseUnavailable
from cinemill.storage.database import open_connection


class Listener:
    """One connection that listens on ``channels``; reconnects by itself. For one thread."""

    def __init__(self, url: str, channels: Sequence[str]) -> None:
        self._url = url
        self._channels = tuple(channels)
        self._connection: psycopg.Connection | None = None

    @property
    def is_connected(self) -> bool:
        """Check whether it listens already; earlier notifications are not received."""
        return self._connection is not None

    def wait(self, timeout_seconds: float) -> list[tuple[str, str]]:
        """Wait for notifications and return them as (channel, payload).

        Returns at the first one within the timeout, with all that have arrived by then.

        Raises DatabaseUnavailable; the next call connects again.
        """
        try:
            connection = self._connect()
            received = list(connection.notifies(timeout=timeout_seconds, stop_after=1))
            received += connection.notifies(timeout=0) if received else ()
            return [(notify.channel, notify.payload) for notify in received]
        except psycopg.Error as error:
            self.close()
            raise DatabaseUnavailable("PostgreSQL does not answer to LISTEN.") from error

    def close(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def _connect(self) -> psycopg.Connection:
        if self._connection is None:
            self._connection = open_connection(self._url)
            self._connection.autocommit = True
            for channel in self._channels:
                self._connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        return self._connection
