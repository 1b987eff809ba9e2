"""What caches may keep: nothing secret, and of private answers a copy that is asked about.

Without a rule, browsers and proxies keep answers by rules of their own (RFC 9111, section 4.2.2).
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message

from cinemill.api.health_paths import HEALTH_PATHS
from cinemill.api.middleware.compression import is_text
from cinemill.api.middleware.entity_tags import is_known, make_weak_tag
from cinemill.api.middleware.held_answer import HeldAnswer, HoldingLayer
from cinemill.api.middleware.visits import find_route_path

NEVER_STORED = "no-store"
ASKED_EACH_TIME = "private, no-cache"
NEVER_CHANGES = "private, max-age=31536000, immutable"
"""Of an address that names what it returns by its hash."""
SECRET_PATHS = (*HEALTH_PATHS, "/debug", "/api/v1/debug", "/logs", "/api/v1/logs", "/metrics")
"""Settings, what happened, and figures of the server."""
THREAD_BYTES = 256 * 1024
"""A larger body is hashed in a thread, so that nobody waits for it: a megabyte takes 1 ms."""
_OF_THE_BODY = frozenset({b"content-type", b"content-length", b"content-encoding"})


class _Answer(HeldAnswer):
    def begin(self, start: Message) -> bool:
        self._set_rule(start)
        return True

    async def complete(self, start: Message, body: bytes) -> tuple[Message, bytes]:
        await self._set_tag(start, body)
        return (_leave_out_body(start), b"") if self._is_known(start) else (start, body)

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

    async def _set_tag(self, start: Message, body: bytes) -> None:
        headers = MutableHeaders(scope=start)
        may_be_kept = NEVER_STORED not in headers.get("Cache-Control", NEVER_STORED)
        if start["status"] != 200 or not may_be_kept or not body or "ETag" in headers:
            return
        if len(body) > THREAD_BYTES:
            headers["ETag"] = await run_in_threadpool(make_weak_tag, body)
        else:
            headers["ETag"] = make_weak_tag(body)

    def _is_known(self, start: Message) -> bool:
        """Return whether the client has this answer already (RFC 9110, section 13.1.2)."""
        tag = Headers(raw=start["headers"]).get("ETag")
        is_read = self._scope["method"] in ("GET", "HEAD") and start["status"] == 200
        return is_read and tag is not None and is_known(tag, Headers(scope=self._scope))


class CacheRules(HoldingLayer):
    """Adds ``Cache-Control`` where a route sets none, an ETag, and answers 304 to who has it.

    Answers that set a cookie, errors, answers to anything but GET and those of ``SECRET_PATHS``
    are ``no-store``; all others are ``private, no-cache``. A route that sets an ETag itself sets
    one of the whole answer. Files, which are sent in pieces, compare theirs themselves.
    """

    answer = _Answer


def _leave_out_body(start: Message) -> Message:
    headers = MutableHeaders(scope=start)
    if is_text(headers):
        # As compression says of the whole answer, which it does not see (RFC 9110, 15.4.5).
        headers.add_vary_header("Accept-Encoding")
    kept = [(name, value) for name, value in start["headers"] if name not in _OF_THE_BODY]
    return {**start, "status": 304, "headers": kept}
