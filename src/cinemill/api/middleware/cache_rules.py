"""What caches may keep: nothing secret, and of private answers a copy that is asked about.

Without a rule, browsers and proxies keep answers by rules of their own (RFC 9111, section 4.2.2).
"""

from __future__ import annotations

import hashlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cinemill.api.health_paths import HEALTH_PATHS
from cinemill.api.middleware.visits import find_route_path

NEVER_STORED = "no-store"
ASKED_EACH_TIME = "private, no-cache"
SECRET_PATHS = (*HEALTH_PATHS, "/debug", "/api/v1/debug", "/logs", "/api/v1/logs", "/metrics")
"""Settings, what happened, and figures of the server."""
LARGEST_TAGGED_BYTES = 1024 * 1024
"""The tag of a larger answer would hold up others: it is sent again each time."""
_OF_THE_BODY = frozenset({b"content-type", b"content-length", b"content-encoding"})


class CacheRules:
    """Adds ``Cache-Control`` where a route sets none, an ETag, and answers 304 to who has it.

    Answers that set a cookie, errors, answers to anything but GET and those of ``SECRET_PATHS``
    are ``no-store``; all others are ``private, no-cache``.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _Answer(scope, send).send)


class _Answer:
    """One response, whose start is held until its body shows whether it is sent in one piece."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._start: Message | None = None
        self._tag: str | None = None
        """Of the whole body. A route's own tag may be that of a part, such as the captions' text,
        and the rest of the document may have changed."""
        self._is_replaced = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._set_rule(message)
            self._start = message
            return
        start, self._start = self._start, None
        if start is not None and message["type"] == "http.response.body":
            self._set_tag(start, message)
            if not message.get("more_body") and self._is_known(start):
                self._is_replaced = True
                start = _leave_out_body(start)
        if start is not None:
            await self._send(start)
        await self._send({**message, "body": b""} if self._is_replaced else message)

    def _set_rule(self, start: Message) -> None:
        headers = MutableHeaders(scope=start)
        path = find_route_path(self._scope)
        is_read = self._scope["method"] in ("GET", "HEAD") and start["status"] < 400
        if "set-cookie" in headers or not is_read or path in SECRET_PATHS:
            headers.setdefault("Cache-Control", NEVER_STORED)
        elif "Cache-Control" not in headers:
            headers["Cache-Control"] = ASKED_EACH_TIME
            headers.add_vary_header("Authorization")
            headers.add_vary_header("Cookie")

    def _set_tag(self, start: Message, message: Message) -> None:
        headers, body = MutableHeaders(scope=start), message.get("body", b"")
        is_ours = headers.get("Cache-Control") == ASKED_EACH_TIME and "ETag" not in headers
        if is_ours and not message.get("more_body") and 0 < len(body) <= LARGEST_TAGGED_BYTES:
            # Weak, because a proxy may compress it.
            self._tag = headers["ETag"] = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'

    def _is_known(self, start: Message) -> bool:
        """Return whether the client has this answer already (RFC 9110, section 13.1.2)."""
        if self._tag is None or start["status"] != 200:
            return False
        named = Headers(scope=self._scope).get("If-None-Match", "")
        known = {one.strip().removeprefix("W/") for one in named.split(",")}
        return self._tag.removeprefix("W/") in known or "*" in known


def _leave_out_body(start: Message) -> Message:
    kept = [(name, value) for name, value in start["headers"] if name not in _OF_THE_BODY]
    return {**start, "status": 304, "headers": kept}
