"""One line in the log for every request: method, path, status, bytes, milliseconds.

A WebSocket's line comes at its end, with the code that closed it.

The query is left out: a sign-in link carries the token there.
"""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cinemill import telemetry
from cinemill.api.health_paths import HEALTH_PATHS
from cinemill.api.middleware.problems import LONGEST_LOGGED, clip
from cinemill.api.middleware.visits import find_route_path

log = telemetry.get_logger("cinemill.access")


class AccessLog:
    """Writes the line when the answer is complete, so a stream's line comes at its end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        tally = _ResponseCounter(send)
        started = time.perf_counter()
        try:
            await self._app(scope, receive, tally.send)
        finally:
            _write(scope, tally, time.perf_counter() - started)


class _ResponseCounter:
    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.sent_bytes = 0
        self.close: dict[str, int] = {}
        """The code that the server closed a WebSocket with."""

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind in ("http.response.start", "websocket.http.response.start"):
            self.status = message["status"]
        elif kind == "websocket.accept":
            self.status = 101
        elif kind == "websocket.close":
            self.close = {"close_code": message.get("code", 1000)}
        else:
            self.sent_bytes += len(message.get("body") or message.get("text") or b"")
        await self._send(message)


def _is_routine(path: str) -> bool:
    return path in HEALTH_PATHS or path.startswith("/static/")


def _write(scope: Scope, tally: _ResponseCounter, seconds: float) -> None:
    is_quiet = _is_routine(find_route_path(scope)) and tally.status < 400
    (log.debug if is_quiet else log.info)(
        "request",
        method=scope.get("method", "WEBSOCKET"),
        path=clip(scope["path"], LONGEST_LOGGED),
        status=tally.status,
        sent_bytes=tally.sent_bytes,
        milliseconds=round(seconds * 1000, 1),
        client=(scope.get("client") or ("",))[0],
        **tally.close,
    )
