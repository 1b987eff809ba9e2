"""One client's connection, with a bound on everything that it can make the server do or keep.

Uvicorn's protocol over httptools does the work. What it lacks is done here, before a byte is
parsed and so before anybody is authenticated: heads have a size and a time, requests are taken up
one after the other, bodies and answers must make progress, and what is refused gets to read why.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from cinemill import telemetry
from cinemill.api.health_paths import HEALTH_PATHS
from cinemill.api.http.errors import (
    MAX_TARGET_BYTES,
    HeadersTooLarge,
    RequestMalformed,
    RequestTimedOut,
    TargetTooLong,
)
from cinemill.api.http.framing import MAX_HEADERS, Framing, FramingError, HeadTooLarge, Part, Piece
from cinemill.api.http.handshake import is_handshake
from cinemill.api.http.responses import answer_busy, close_unread, render
from cinemill.api.http.server_state import BoundedServerState
from cinemill.api.http.sockets import BoundedSocketProtocol
from cinemill.api.http.transport import AnswerTransport, OrderlyFlow, read_kernel_unsent_bytes
from cinemill.errors import CinemillError

log = telemetry.get_logger(__name__)

PIECES_PER_TURN = 256
"""Lines and stretches of body parsed before other connections have their turn: about 1 ms."""
MAX_HELD_BYTES = 1024 * 1024
"""Requests that a client sends ahead while an earlier one is answered: some reads of the socket."""
_VERSIONS = frozenset({"1.0", "1.1"})


class BoundedHttpProtocol(HttpToolsProtocol):
    """Bound what one client can make the server do or keep; see the module."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        state = cast("BoundedServerState", server_state)
        self._patience = state.patience
        self._state = state
        self._front = state.front
        self._framing = Framing()
        self._held = bytearray()
        """What came behind the piece that was parsed last, and waits for its turn."""
        self._headers_seen = 0
        self._upgrade = b""
        """The other protocol that the request asks for."""
        self._is_upgrading = False
        self._refusal: CinemillError | None = None
        self._head_since = self._body_at = self._window_since = self._taken_at = time.monotonic()
        self._window_bytes = 0
        self._written_bytes = 0
        self._taken_bytes = 0
        self._lingers_until: float | None = None
        self._address = ""
        """Of the other side; behind a trusted proxy, of who sent the present request."""

    # What the transport calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = OrderlyFlow(transport, self._held)
        self._address = self._peer
        # A trusted proxy's connection is nobody's until it brings a request.
        is_proxy = self._front.trusts(self._peer)
        evicted = self._state.admission.arrive(self, None if is_proxy else self._address)
        if evicted is not None:
            evicted.make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.admission.leave(self)
        self._held.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._lingers_until is not None:
            self._drop(data)
        elif self._held:
            self._hold(data)
        else:
            self._take(data)

    def check(self, now: float) -> None:
        """Close the connection, or refuse its request, where its time is over."""
        unread_seconds = self._measure_unread(now)
        self._state.admission.mark(self, is_unread=unread_seconds >= self._patience.unread)
        if unread_seconds >= self._patience.answer:
            self.transport.abort()
        elif self.transport.is_closing():
            return
        elif self._lingers_until is not None:
            if now >= self._lingers_until:
                self.transport.close()
        elif self._framing.part is not Part.HEAD:
            self._check_body(now)
        elif not self._is_answering():
            self._check_head(now)

    def make_room(self) -> None:
        """Close a connection that has no request, or does not take its answer, for another."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    # Taking in requests, one after the other.

    def _take(self, data: bytes) -> None:
        at = 0
        for _ in range(PIECES_PER_TURN):
            if at == len(data) or self.transport.is_closing() or self._lingers_until is not None:
                return
            if self._is_answering():
                self._hold(data[at:])
                return
            at = self._parse_piece(data, at)
            if self._is_upgrading:
                self._open_socket(data[at:])
                return
        if at < len(data):
            self._hold(data[at:])
            self.loop.call_soon(self._go_on)

    def _parse_piece(self, data: bytes, at: int) -> int:
        if self._framing.is_idle and self._has_asked:
            self._head_since = time.monotonic()
        try:
            piece, at = self._framing.cut(data, at)
            if not self._framing.is_idle:
                self._unset_keepalive_if_required()
            if piece is not None:
                self._feed(piece)
        except HeadTooLarge:
            self._refuse(HeadersTooLarge("The request line and headers are too large."))
        except (FramingError, httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse(self._refusal or RequestMalformed("The request is not valid HTTP/1.1."))
        return at

    def _feed(self, piece: Piece) -> None:
        """Parse a piece, but for a line that asks for another protocol.

        The parser would take the body, and all that follows, for that protocol. A server may ignore
        the line (RFC 9110, 7.8), and does so with all but the handshakes of WebSockets.
        """
        if piece.part is Part.HEAD and piece.data[:8].lower() == b"upgrade:":
            self._upgrade = piece.data[8:].strip()
        else:
            self.parser.feed_data(piece.data)

    def _open_socket(self, rest: bytes) -> None:
        """Hand the connection over to a WebSocket, which keeps its place."""
        self.connections.discard(self)
        socket = BoundedSocketProtocol(self.config, self._state)
        socket.app_state = self.app_state
        self._state.admission.replace(self, socket)
        self.transport.set_protocol(socket)
        socket.begin(self.transport, self.url, self.headers)
        if rest:
            socket.data_received(rest)

    def _is_answering(self) -> bool:
        """Whether a whole request has come and is still being answered."""
        return self._framing.is_idle and self._open_cycle is not None

    @property
    def _open_cycle(self) -> RequestResponseCycle | None:
        """The request that is not answered yet."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return None if cycle is None or cycle.response_complete else cycle

    @property
    def _has_asked(self) -> bool:
        return cast("RequestResponseCycle | None", self.cycle) is not None

    def _hold(self, data: bytes) -> None:
        self._held += data
        self.flow.pause_reading()
        if len(self._held) > MAX_HELD_BYTES:
            self.transport.abort()

    def _go_on(self) -> None:
        if self.transport.is_closing() or self._lingers_until is not None:
            return
        data = bytes(self._held)
        self._held.clear()
        self._take(data)
        cycle = self._open_cycle
        is_flooded = cycle is not None and len(cycle.body) > HIGH_WATER_LIMIT
        if not self._held and not is_flooded and not self.transport.is_closing():
            self.flow.resume_reading()

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers_seen += 1
        if self._headers_seen > MAX_HEADERS:
            self._fail(HeadersTooLarge("The request has too many headers."))
        # Nothing here asks for trailers; among the headers they could pass for some.
        if self._framing.part is Part.HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.parser.get_http_version() not in _VERSIONS:
            refusal = RequestMalformed("This version of HTTP is not supported.")
            refusal.http_status = 505
            self._fail(refusal)
        self._check_target()
        length_bytes = self._read_length()
        if length_bytes == 0 and self._asks_for_socket() and self._claim_place():
            self._is_upgrading = True
            return
        super().on_headers_complete()
        if length_bytes != 0:
            self._framing.begin_body(length_bytes=length_bytes)
            self._body_at = self._window_since = time.monotonic()
            self._window_bytes = 0

    def on_body(self, body: bytes) -> None:
        self._body_at = time.monotonic()
        self._window_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._is_upgrading:
            super().on_message_complete()
        self._framing.end_message()
        self._headers_seen = 0
        self._upgrade = b""

    def _asks_for_socket(self) -> bool:
        is_get = (self.parser.get_method(), self.parser.get_http_version()) == (b"GET", "1.1")
        return is_get and is_handshake(self.url, self._upgrade, self.headers, self._front.paths)

    def _check_target(self) -> None:
        if len(self.url) > MAX_TARGET_BYTES:
            self._fail(TargetTooLong("The request's path and query are too long."))
        if b"%00" in self.url:
            # No name here has the character that ends strings elsewhere; PostgreSQL refuses it.
            self._fail(RequestMalformed("The request's path or query has a NUL character."))

    def _read_length(self) -> int | None:
        """Bytes of the body, None for chunks. Fails what a proxy in front could read otherwise."""
        length_bytes: int | None = 0
        for name, value in self.headers:
            if name == b"content-length":
                length_bytes = int(value)
            elif name == b"transfer-encoding":
                is_chunked = value.rstrip(b" ").lower() == b"chunked"
                if not is_chunked or self.parser.get_http_version() == "1.0":
                    self._fail(
                        RequestMalformed(
                            "Only the transfer coding 'chunked' of HTTP/1.1 is supported."
                        )
                    )
                length_bytes = None
        if sum(name == b"host" for name, _ in self.headers) > 1:
            self._fail(RequestMalformed("The request has more than one Host header."))
        return length_bytes

    def _fail(self, refusal: CinemillError) -> None:
        """End the parser's work from within what it calls."""
        self._refusal = refusal
        raise refusal

    # Answering.

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        line = AnswerTransport(self.transport, write=self.write, close=self.finish)
        cycle.transport = cast("asyncio.Transport", line)
        path = cycle.scope["path"]
        is_health = path.removeprefix(self._front.find_path(path)) in HEALTH_PATHS
        if not self._claim_place() and not is_health:
            app = answer_busy
        super()._start_asgi_task(cycle, close_unread(cycle, app))

    def _claim_place(self) -> bool:
        """Count the connection as served; return whether there is a place for it."""
        if self._front.trusts(self._peer):
            self._address = self._front.find_client(self._peer, self.headers)
            self._state.admission.attribute(self, self._address)
        has_place, evicted = self._state.admission.serve(self)
        if evicted is not None:
            evicted.make_room()
        return has_place

    def write(self, data: bytes) -> None:
        """Send bytes of an answer."""
        if not self.transport.get_write_buffer_size():
            self._taken_at = time.monotonic()
        self._written_bytes += len(data)
        self.transport.write(data)

    def finish(self) -> None:
        """Close the connection after its answer, when the client has had the time to read it."""
        if self._framing.part is Part.HEAD and not self._held:
            self.transport.close()
        else:
            self._linger()

    def on_response_complete(self) -> None:
        if self._lingers_until is not None or self.transport.is_closing():
            self.server_state.total_requests += 1
            return
        super().on_response_complete()
        self._state.admission.wait(self)
        if self._held:
            self.loop.call_soon(self._go_on)

    # Refusing, and dropping what still comes.

    def _refuse(self, error: CinemillError) -> None:
        """Answer in the application's place, and take in nothing more."""
        log.info("request_refused", code=error.code, client=self._address)
        cycle = self._open_cycle
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
            self.flow.resume_writing()
            if cycle.response_started:
                self.transport.close()
                return
        self.write(render(error))
        self._linger()

    def _linger(self) -> None:
        self._unset_keepalive_if_required()
        self._held.clear()
        self._lingers_until = time.monotonic() + self._patience.linger
        self.flow.resume_reading()

    def _drop(self, data: bytes) -> None:
        if self._framing.part is Part.BODY:
            self._framing.remaining_bytes -= len(data)
            if self._framing.remaining_bytes <= 0:
                self.transport.close()
                return
        self._state.drop(self, len(data))

    # What time is over.

    @property
    def _peer(self) -> str:
        return self.client[0] if self.client else ""

    def _measure_unread(self, now: float) -> float:
        """For how many seconds the client has not taken a byte of its answer."""
        unsent_bytes = self.transport.get_write_buffer_size()
        if unsent_bytes:
            # The kernel takes megabytes at once, then nothing until a third of them is read.
            unsent_bytes += read_kernel_unsent_bytes(self.transport)
        taken_bytes = self._written_bytes - unsent_bytes
        # Fewer than before: what the kernel holds counts again, as something is behind it now.
        if not unsent_bytes or taken_bytes != self._taken_bytes:
            self._taken_bytes, self._taken_at = taken_bytes, now
        return now - self._taken_at

    def _check_body(self, now: float) -> None:
        if self.flow.read_paused or self._held:
            # It is us who do not read.
            self._body_at = self._window_since = now
            self._window_bytes = 0
        elif now - self._body_at >= self._patience.body:
            self._refuse(
                RequestTimedOut("The rest of the request's body was not received in time.")
            )
        elif now - self._window_since >= self._patience.trickle:
            is_trickle = self._window_bytes < self._patience.trickle_bytes
            self._window_since, self._window_bytes = now, 0
            if is_trickle:
                self._refuse(RequestTimedOut("The request's body was sent too slowly."))

    def _check_head(self, now: float) -> None:
        is_between = self._framing.is_idle and self._has_asked
        if is_between or now - self._head_since < self._patience.head:
            return
        if self._framing.is_idle:
            # Browsers connect ahead of need: an answer to nothing would confuse them.
            self.transport.close()
        else:
            self._refuse(RequestTimedOut("The request's headers were not received in time."))
