"""HEAD wherever GET is: the same headers, and no body (RFC 9110, section 9.3.2)."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FILE_UNREAD = "http.response.pathsend"
"""With this extension a file is handed over by its path instead of being read."""
_ONLY_OF_GET = frozenset({b"range", b"if-range"})
"""A server ignores them in other requests (RFC 9110, section 14.2)."""


class HeadRequests:
    """Asks the application for GET where a client asks for HEAD, and leaves out the body.

    A stream of events ends with its headers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name not in _ONLY_OF_GET]
        extensions = {**(scope.get("extensions") or {}), _FILE_UNREAD: {}}
        asked = {**scope, "method": "GET", "headers": headers, "extensions": extensions}
        exchange = _Exchange(receive, send)
        await self._app(asked, exchange.receive, exchange.send)


class _Exchange:
    """One request and its response, which ends for the application after its first body."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._is_read = False
        self._ended = asyncio.Event()

    async def receive(self) -> Message:
        if not self._is_read:
            message = await self._receive()
            self._is_read = not message.get("more_body")
            return message
        # What streams its answer waits here for the client to leave, and stops then.
        await self._ended.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._send(message)
        elif not self._ended.is_set():
            self._ended.set()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
