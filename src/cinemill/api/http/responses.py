"""Answers that the connection gives itself, in the application's place or around it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from cinemill.api.http.errors import ServerBusy
from cinemill.api.middleware import problems, security_headers
from cinemill.errors import CinemillError

ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]


def close_unread(cycle: RequestResponseCycle, app: ASGIApp) -> ASGIApp:
    """Mark a response that does not wait for the request's end as the connection's last."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        async def mark(message: Message) -> None:
            if message["type"] == "http.response.start" and cycle.more_body:
                headers = [*message.get("headers", []), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        await app(scope, receive, mark)

    return run


async def answer_busy(scope: Scope, receive: Receive, send: Send) -> None:
    error = ServerBusy("The server has too many connections.")
    headers = {**security_headers.HEADERS, "Connection": "close"}
    await problems.problem_response(error, headers)(scope, receive, send)


def render(error: CinemillError) -> bytes:
    """Return the bytes of a whole response."""
    answer = problems.problem_response(error, {**security_headers.HEADERS, "Connection": "close"})
    reason = HTTPStatus(error.http_status).phrase
    lines = [
        f"HTTP/1.1 {error.http_status} {reason}".encode(),
        f"date: {formatdate(usegmt=True)}".encode(),
        *(b": ".join(header) for header in answer.raw_headers),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + bytes(answer.body)
