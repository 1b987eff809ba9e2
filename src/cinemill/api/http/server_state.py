"""What all connections of a server share: their places, the bytes dropped, and their checks."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol, cast

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from cinemill.api.http.admission import Admission, Places
from cinemill.api.http.timeouts import HttpTimeouts
from cinemill.api.middleware.forwarding import Front

DROPPED_BYTES_PER_TICK = 8 * 1024 * 1024
"""Of refused requests, all in all, in a tenth of a second: what is more waits for the next one, so
that floods that nobody reads take about a tenth of the processor from those who are served."""
CHECKS_PER_SECOND = 10


class BoundedConnection(Protocol):
    """A connection as the server's state sees it."""

    flow: FlowControl
    transport: asyncio.Transport

    def check(self, now: float) -> None:
        """Close the connection, or refuse its request, where its time is over."""

    def make_room(self) -> None:
        """Close the connection for another one."""


class BoundedServerState(ServerState):
    """What all connections of a server share."""

    def __init__(self, patience: HttpTimeouts, places: Places, front: Front | None = None) -> None:
        super().__init__()
        self.front = front or Front()
        self.patience = patience
        self.admission: Admission[BoundedConnection] = Admission(places)
        self._dropped_bytes = 0
        self._throttled: list[BoundedConnection] = []
        self._unchecked: list[Any] = []
        self._checked_at_once = 1

    def drop(self, connection: BoundedConnection, size_bytes: int) -> None:
        """Count bytes that were read for nothing, and pause the connection where they are many."""
        self._dropped_bytes += size_bytes
        if self._dropped_bytes > DROPPED_BYTES_PER_TICK:
            connection.flow.pause_reading()
            self._throttled.append(connection)

    def renew_drops(self) -> None:
        """To be called ten times a second."""
        self._dropped_bytes = 0
        throttled, self._throttled = self._throttled, []
        for connection in throttled:
            if not connection.transport.is_closing():
                connection.flow.resume_reading()

    def check_connections(self) -> None:
        """Close connections whose time is over, checking a tenth of them at each call.

        To be called ten times a second: thousands at once would delay all other requests.
        """
        now = time.monotonic()
        if not self._unchecked:
            self._unchecked = list(self.connections)
            self._checked_at_once = -(-len(self._unchecked) // CHECKS_PER_SECOND)
        due = self._unchecked[-self._checked_at_once :]
        del self._unchecked[-self._checked_at_once :]
        for connection in due:
            if connection in self.connections:
                cast("BoundedConnection", connection).check(now)
