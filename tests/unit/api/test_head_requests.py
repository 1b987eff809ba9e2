"""HEAD is answered as GET is, without a body; what streams its answer ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message

from cinemill.api.middleware.head_requests import HeadRequests

FILE = Path(__file__)


def answer_plainly(_: Request) -> Response:
    return JSONResponse({"jobs": []}, headers={"ETag": '"tag"'})


def answer_with_a_file(_: Request) -> Response:
    return FileResponse(FILE)


def stream_for_ever(_: Request) -> Response:
    async def write() -> AsyncIterator[str]:
        while True:
            yield "data: 1\n\n"
            await asyncio.sleep(0)

    return StreamingResponse(write(), media_type="text/event-stream")


ROUTES = {"/plain": answer_plainly, "/file": answer_with_a_file, "/stream": stream_for_ever}


def ask(path: str, method: str = "HEAD", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body. The client stays until the application has ended."""
    routes = [Route(path, answer, methods=["GET"]) for path, answer in ROUTES.items()]
    for route in routes:
        route.methods = {"GET"}  # Starlette adds HEAD, as FastAPI does not
    app = HeadRequests(Starlette(routes=routes))
    sent: list[Message] = []
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"spec_version": "2.3"},
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }

    async def run() -> None:
        received = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Message:
            if received:
                return received.pop()
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Message) -> None:
            sent.append(message)

        async with asyncio.timeout(30):
            await app(scope, receive, send)

    asyncio.run(run())
    start, *bodies = sent
    assert not bodies[-1].get("more_body")
    names = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], names, b"".join(one["body"] for one in bodies)


@pytest.mark.parametrize("path", ["/plain", "/file"])
def test_headers_are_those_of_get(path: str) -> None:
    status, headers, body = ask(path)
    assert (status, headers) == ask(path, "GET")[:2]
    assert int(headers["content-length"]) > 0
    assert body == b""


def test_file_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the file was opened")

    monkeypatch.setattr("anyio.open_file", refuse)
    assert ask("/file")[0] == 200


def test_ranges_are_of_get_alone() -> None:
    assert ask("/file", "GET", range="bytes=0-9")[0] == 206
    status, headers, _ = ask("/file", range="bytes=0-9")
    assert (status, headers["content-length"]) == (200, str(FILE.stat().st_size))


def test_stream_ends_after_its_headers() -> None:
    status, headers, body = ask("/stream")
    assert (status, body) == (200, b"")
    assert headers["content-type"].startswith("text/event-stream")


def test_unknown_path_is_404() -> None:
    assert ask("/none")[0] == 404
