"""Which answers are sent in gzip."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from cinemill.api.middleware.compression import (
    LEAST_BYTES,
    THREAD_BYTES,
    Compression,
    accepts_gzip,
)

LONG = {"text": "again and " * LEAST_BYTES}
SHORT = {"text": "once"}


def answer_long(_: Request) -> Response:
    return JSONResponse(LONG, headers={"ETag": '"tag"', "Vary": "Cookie"})


def answer_very_long(_: Request) -> Response:
    return JSONResponse({"text": "x" * (2 * THREAD_BYTES)})


def answer_short(_: Request) -> Response:
    return JSONResponse(SHORT)


def answer_with_a_file(_: Request) -> Response:
    headers = {"Accept-Ranges": "bytes", "ETag": '"hash"'}
    return Response(b"{}" * LEAST_BYTES, media_type="application/json", headers=headers)


def answer_with_a_picture(_: Request) -> Response:
    return Response(b"x" * LEAST_BYTES, media_type="image/jpeg")


def stream(_: Request) -> Response:
    async def write() -> AsyncIterator[str]:
        for _ in range(3):
            yield "data: " + "x" * LEAST_BYTES + "\n\n"

    return StreamingResponse(write(), media_type="text/event-stream")


ROUTES = {
    "/long": answer_long,
    "/very-long": answer_very_long,
    "/short": answer_short,
    "/file": answer_with_a_file,
    "/picture": answer_with_a_picture,
    "/stream": stream,
}


def ask(path: str, coding: str = "gzip") -> httpx.Response:
    routes = [Route(path, answer) for path, answer in ROUTES.items()]
    transport = httpx.ASGITransport(Compression(Starlette(routes=routes)))

    async def get() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://one") as client:
            return await client.get(path, headers={"Accept-Encoding": coding})

    return asyncio.run(get())


def test_long_text_is_compressed() -> None:
    answer = ask("/long")
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < LEAST_BYTES
    assert answer.headers["vary"].lower().split(", ") == ["cookie", "accept-encoding"]
    # Its bytes are no longer those that the strong tag is of.
    assert answer.headers["etag"] == 'W/"tag"'
    assert answer.json() == LONG
    assert ask("/very-long").headers["content-encoding"] == "gzip"


def test_same_text_without_gzip_has_its_own_tag() -> None:
    answer = ask("/long", "identity")
    assert "content-encoding" not in answer.headers
    assert answer.headers["etag"] == '"tag"'
    assert "accept-encoding" in answer.headers["vary"].lower()
    assert answer.json() == LONG


@pytest.mark.parametrize("path", ["/short", "/file", "/picture", "/stream"])
def test_everything_else_is_sent_as_it_is(path: str) -> None:
    answer = ask(path)
    assert answer.status_code == 200
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    ("named", "accepted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=0.5", True),
        ("br, *", True),
        ("x-gzip", True),
        ("gzip; q=1.0", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("br", False),
        ("", False),
        ("gzip;q=high", False),
        ("gzipped", False),
    ],
)
def test_weights_count(named: str, accepted: bool) -> None:
    assert accepts_gzip(Headers({"Accept-Encoding": named})) is accepted
