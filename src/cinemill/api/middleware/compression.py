"""Text answers in gzip, for those who accept it (RFC 9110, section 12.5.3).

Files are sent as they are: they have ranges, and most of them are compressed already. Streams of
events are sent as they come.
"""

from __future__ import annotations

import gzip

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Scope, Send

from cinemill.api.middleware.entity_tags import weaken
from cinemill.api.middleware.held_answer import HeldAnswer, HoldingLayer

LEAST_BYTES = 1024
"""A smaller answer fits into one packet either way."""
LEVEL = 5
"""Of nine; the higher ones take much longer for little less."""
THREAD_BYTES = 64 * 1024
"""A larger body is compressed in a thread, so that nobody waits for it."""
MEDIA_TYPES = frozenset(
    {
        "application/json",
        "application/openmetrics-text",
        "application/problem+json",
        "text/html",
        "text/plain",
        "text/vtt",
    }
)


class _Answer(HeldAnswer):
    def __init__(self, scope: Scope, send: Send) -> None:
        super().__init__(scope, send)
        self._accepts = accepts_gzip(Headers(scope=scope))

    def begin(self, start: Message) -> bool:
        headers = MutableHeaders(scope=start)
        if not is_text(headers):
            return False
        headers.add_vary_header("Accept-Encoding")
        return True

    async def complete(self, start: Message, body: bytes) -> tuple[Message, bytes]:
        if not self._accepts or len(body) < LEAST_BYTES:
            return start, body
        if len(body) > THREAD_BYTES:
            body = await run_in_threadpool(compress, body)
        else:
            body = compress(body)
        headers = MutableHeaders(scope=start)
        headers["Content-Encoding"] = "gzip"
        headers["Content-Length"] = str(len(body))
        if "ETag" in headers:
            headers["ETag"] = weaken(headers["ETag"])
        return start, body


class Compression(HoldingLayer):
    """Compresses answers that are sent in one piece, where they are large enough text."""

    answer = _Answer


def compress(body: bytes) -> bytes:
    """Return the body in gzip, the same bytes each time."""
    return gzip.compress(body, LEVEL, mtime=0)


def is_text(headers: Headers) -> bool:
    """Return whether these are the headers of an answer that may be compressed."""
    media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    # What has ranges is counted in bytes as it is stored.
    is_file = "Accept-Ranges" in headers or "Content-Encoding" in headers
    return media_type in MEDIA_TYPES and not is_file


def accepts_gzip(headers: Headers) -> bool:
    """Return whether ``Accept-Encoding`` names gzip, or any coding, with a weight above zero."""
    named = ",".join(headers.getlist("accept-encoding"))
    weights = dict(_read_coding(one) for one in named.split(","))
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _read_coding(text: str) -> tuple[str, float]:
    name, _, parameters = text.strip().lower().partition(";")
    mark, _, weight = parameters.strip().partition("=")
    try:
        return name.strip(), float(weight) if mark.strip() == "q" else 1.0
    except ValueError:
        return name.strip(), 0.0
