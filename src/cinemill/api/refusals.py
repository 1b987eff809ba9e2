"""Answering before the whole request has come, so that the sender gets to read why.

A server that closes a connection with unread bytes in it makes the kernel send a reset, and many
clients then throw the answer away. So the answer is sent whole, and what still arrives is read
and dropped for a moment before the connection is closed (nginx calls it a lingering close).
"""

from __future__ import annotations

import asyncio

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

LINGER_SECONDS = 2.0


class EarlyRefusal(Response):
    """Wraps a complete answer to a request whose body may still be coming."""

    def __init__(self, answer: Response) -> None:
        super().__init__(
            bytes(answer.body), answer.status_code, headers=dict(answer.headers), media_type=None
        )
        self.headers["Connection"] = "close"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        # All of the content, and not yet its end: the connection stays open.
        await send({"type": "http.response.body", "body": bytes(self.body), "more_body": True})
        await _drop_rest(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drop_rest(receive: Receive) -> None:
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return
