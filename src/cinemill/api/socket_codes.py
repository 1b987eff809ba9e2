"""Why a WebSocket is closed: https://www.iana.org/assignments/websocket, and 4000 + HTTP status."""

from __future__ import annotations

from contextlib import suppress

from starlette.types import Receive, Scope, Send

from cinemill.errors import CinemillError, DependencyUnavailable

ENDED = 1000
FAILED = 1011
RESTARTING = 1012
TRY_LATER = 1013
_OF_HTTP = 4000


class SocketClose:
    """An application that opens a WebSocket only to say why it is closed.

    A browser shows a page neither the status nor the body of a refused handshake, but the code and
    the reason of a close.
    """

    def __init__(self, error: CinemillError) -> None:
        self._close = {
            "type": "websocket.close",
            "code": find_close_code(error),
            "reason": error.code,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        with suppress(OSError):  # The client has left.
            await send({"type": "websocket.accept"})
            await send(self._close)


def find_close_code(error: CinemillError) -> int:
    """Return the code with which an error closes a WebSocket."""
    if error.http_status < 500:
        return _OF_HTTP + error.http_status
    return TRY_LATER if isinstance(error, DependencyUnavailable) else FAILED


async def close_failed(send: Send) -> None:
    """Close a WebSocket whose endpoint has failed, unless it is closed already."""
    with suppress(OSError, RuntimeError):
        await send({"type": "websocket.close", "code": FAILED, "reason": CinemillError.code})
