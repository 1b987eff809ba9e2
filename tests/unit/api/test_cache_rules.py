"""Which answers are replaced by 304: those whose whole body the client has."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from cinemill.api.middleware.cache_rules import ASKED_EACH_TIME, THREAD_BYTES, CacheRules
from cinemill.api.middleware.entity_tags import is_known


def answer_plainly(_: Request) -> Response:
    return JSONResponse({"jobs": []})


def answer_with_own_tag(_: Request) -> Response:
    """Answer as captions do, whose tag says more than a hash of the body would."""
    headers = {"ETag": 'W/"text-whole"', "Cache-Control": ASKED_EACH_TIME}
    return JSONResponse({"text": "Hello.", "source": "person"}, headers=headers)


def answer_at_length(_: Request) -> Response:
    return JSONResponse({"text": "x" * (4 * THREAD_BYTES)})


def answer_with_a_page(_: Request) -> Response:
    return HTMLResponse("<p>Hello.", headers={"Cache-Control": "no-cache"})


def answer_never_stored(_: Request) -> Response:
    return HTMLResponse("<p>Faces.", headers={"Cache-Control": "private, no-store"})


ROUTES = {
    "/plain": answer_plainly,
    "/own": answer_with_own_tag,
    "/long": answer_at_length,
    "/page": answer_with_a_page,
    "/never": answer_never_stored,
}


def ask(path: str, tag: str = "", method: str = "GET") -> httpx.Response:
    routes = [Route(path, answer, methods=["GET", "POST"]) for path, answer in ROUTES.items()]
    transport = httpx.ASGITransport(CacheRules(Starlette(routes=routes)))

    async def get() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://one") as client:
            headers = {"If-None-Match": tag} if tag else {}
            return await client.request(method, path, headers=headers)

    return asyncio.run(get())


@pytest.mark.parametrize("path", ["/plain", "/own", "/long", "/page"])
def test_known_body_is_not_sent_again(path: str) -> None:
    first = ask(path)
    again = ask(path, first.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["cache-control"] == first.headers["cache-control"]
    assert ask(path, '"other"').content == first.content


def test_what_may_not_be_stored_has_no_tag() -> None:
    assert "etag" not in ask("/never").headers
    assert ask("/never", "*").status_code == 200


def test_answer_to_a_change_is_never_replaced() -> None:
    tag = ask("/own").headers["etag"]
    assert ask("/own", tag, "POST").status_code == 200


@pytest.mark.parametrize(
    ("tag", "named", "known"),
    [
        ('"a"', '"a"', True),
        ('W/"a"', '"a"', True),
        ('"a"', 'W/"a"', True),
        ('"a"', '"b", W/"a"', True),
        ('"a"', '"b","a"', True),
        ('"a"', "*", True),
        ('"a"', ' "a" ', True),
        ('"a,b"', '"a,b"', True),
        ('"a"', '"a,b"', False),
        ('"a"', '"b"', False),
        ('"a"', "a", False),
        ('"a"', '"*"', False),
        ('"a"', "", False),
        ('"a"', '"', False),
    ],
)
def test_tags_are_compared_weakly(tag: str, named: str, known: bool) -> None:
    assert is_known(tag, Headers({"If-None-Match": named})) is known


def test_header_may_come_in_several_lines() -> None:
    lines = [(b"if-none-match", b'"a"'), (b"if-none-match", b'"b"')]
    assert is_known('"b"', Headers(raw=lines))
