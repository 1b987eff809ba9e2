"""Which answers are replaced by 304: those whose whole body the client has."""

from __future__ import annotations

import asyncio

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cinemill.api.middleware.cache_rules import ASKED_EACH_TIME, CacheRules


def answer_plainly(_: Request) -> Response:
    return JSONResponse({"jobs": []})


def answer_with_own_tag(_: Request) -> Response:
    """Answer as captions do: the tag is that of their text, not of who wrote it."""
    headers = {"ETag": '"text"', "Cache-Control": ASKED_EACH_TIME}
    return JSONResponse({"text": "Hello.", "source": "person"}, headers=headers)


def ask(path: str, tag: str = "") -> httpx.Response:
    routes = [Route("/plain", answer_plainly), Route("/own", answer_with_own_tag)]
    transport = httpx.ASGITransport(CacheRules(Starlette(routes=routes)))

    async def get() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://one") as client:
            return await client.get(path, headers={"If-None-Match": tag} if tag else {})

    return asyncio.run(get())


def test_known_body_is_not_sent_again() -> None:
    tag = ask("/plain").headers["etag"]
    assert (ask("/plain", tag).status_code, ask("/plain", tag).content) == (304, b"")


def test_tag_of_a_part_does_not_stand_for_the_whole() -> None:
    first = ask("/own")
    assert first.headers["etag"] == '"text"'
    assert ask("/own", '"text"').json() == first.json()
