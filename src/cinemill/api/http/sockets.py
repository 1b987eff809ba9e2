"""One client's WebSocket, with a bound on everything that it can make the server do or keep.

Uvicorn's protocol over websockets does the work. The server sends and the client reads: what a
client sends is dropped, and may be little, since all that it has to send are pongs and an end.
"""

from __future__ import annotations

import asyncio

from uvicorn._types import ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request

from cinemill.api.http.handshake import RawHeaders
from cinemill.api.http.server_state import BoundedServerState

MAX_RECEIVED_BYTES = 4096
"""From a client in about a second. Frames of six bytes take the processor for 10 ms then."""
_HEAD = b"GET / HTTP/1.1\r\n\r\n"
"""What the parser of websockets gets of a request that was parsed already, and is bounded there."""
_NEGOTIATED = frozenset(
    {b"connection", b"upgrade", b"sec-websocket-extensions", b"sec-websocket-protocol"}
)


class BoundedSocketProtocol(WebSocketsSansIOProtocol):
    """Bound what one client can make the server do or keep; see the module."""

    flow: FlowControl

    def __init__(self, config: Config, server_state: BoundedServerState) -> None:
        super().__init__(config, server_state, {})
        self._admission = server_state.admission
        self._patience = server_state.patience
        self.ping_interval = self._patience.ping
        self.ping_timeout = self._patience.pong
        self.close_timeout = self._patience.linger
        self._target = ""
        self._headers = Headers()
        self._received_bytes = 0
        self._unsent_since: float | None = None

    def begin(self, transport: asyncio.Transport, target: bytes, headers: RawHeaders) -> None:
        """Take over a connection whose handshake was read and found valid."""
        self._target = target.decode("ascii")
        kept = [(name, value) for name, value in headers if name not in _NEGOTIATED]
        kept += [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
        self._headers = Headers(
            [(name.decode("latin-1"), value.decode("latin-1")) for name, value in kept]
        )
        self.flow = FlowControl(transport)
        self.connection_made(transport)
        super().data_received(_HEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        self._admission.leave(self)
        super().connection_lost(exc)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(Request(self._target, self._headers))

    # What the client sends.

    def data_received(self, data: bytes) -> None:
        self._received_bytes += len(data)
        if not self.handshake_complete:
            self.transport.abort()  # Nobody may send before the handshake's answer.
        elif self._received_bytes > MAX_RECEIVED_BYTES:
            self._refuse_flood()
        elif not self.transport.is_closing():
            super().data_received(data)

    def _refuse_flood(self) -> None:
        if not self.close_sent:
            self.conn.fail(CloseCode.POLICY_VIOLATION, "too_many_messages")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
        self.transport.close()

    def handle_text(self, event: Frame) -> None:
        """Drop it."""

    def handle_bytes(self, event: Frame) -> None:
        """Drop it."""

    def handle_cont(self, event: Frame) -> None:
        """Drop it."""

    # What the server sends.

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        # A refusal is an answer too; Uvicorn would log it as a fault of the application.
        self.handshake_complete = self.handshake_complete or self.close_sent

    # What time is over.

    def check(self, now: float) -> None:
        """Abort the connection if its client has not taken what was sent for too long."""
        self._received_bytes = 0
        unsent_seconds = self._measure_unsent(now)
        self._admission.mark(self, is_unread=unsent_seconds >= self._patience.unread)
        limit = self._patience.linger if self.transport.is_closing() else self._patience.answer
        if unsent_seconds >= limit:
            self.transport.abort()

    def make_room(self) -> None:
        """Close the connection, whose client does not read, for another."""
        self.transport.abort()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        # What waits to be sent would keep a mere close waiting forever.
        self.transport.abort()

    def _measure_unsent(self, now: float) -> float:
        """For how many seconds something has been waiting to be sent."""
        if not self.transport.get_write_buffer_size():
            self._unsent_since = None
        elif self._unsent_since is None:
            self._unsent_since = now
        return 0.0 if self._unsent_since is None else now - self._unsent_since
