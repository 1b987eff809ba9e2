"""Who a request came from, and by which public URL, decided without a server."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from cinemill.addresses import parse_public_urls
from cinemill.api.middleware.forwarding import make_front
from cinemill.api.middleware.root_path import ROOT_PATH
from cinemill.api.middleware.visits import Visits, find_base, find_route_path, get_visit
from cinemill.api.models.documents import drop_version, make_link

TRUSTED = "127.0.0.1/32,10.0.0.0/8,fd00::/8,unix"
URLS = "https://media.example.com/cinemill,http://media.lan,https://other.example:8443/cinemill/b"


def find_client(peer: str, *values: str, trusted: str = TRUSTED) -> str:
    headers = [(b"x-forwarded-for", value.encode()) for value in values]
    return make_front((), trusted).find_client(peer, headers)


class TestClient:
    @pytest.mark.parametrize(
        ("peer", "values", "client"),
        [
            ("127.0.0.1", [], "127.0.0.1"),
            ("127.0.0.1", ["203.0.113.5"], "203.0.113.5"),
            ("127.0.0.1", ["203.0.113.5, 10.1.2.3"], "203.0.113.5"),
            ("127.0.0.1", ["1.1.1.1, 203.0.113.5, 10.1.2.3"], "203.0.113.5"),
            ("127.0.0.1", ["1.1.1.1", "203.0.113.5", "10.1.2.3"], "203.0.113.5"),
            ("127.0.0.1", ["10.0.0.9, 10.1.2.3"], "10.0.0.9"),
            ("127.0.0.1", ["203.0.113.5:40000"], "203.0.113.5"),
            ("127.0.0.1", ["[2001:db8::1]:40000"], "2001:db8::1"),
            ("127.0.0.1", ["[2001:db8::1]"], "2001:db8::1"),
            ("127.0.0.1", ["2001:DB8:0::1"], "2001:db8::1"),
            ("127.0.0.1", ["::ffff:203.0.113.5"], "203.0.113.5"),
            ("::ffff:127.0.0.1", ["203.0.113.5"], "203.0.113.5"),
            ("fd00::2", ["203.0.113.5"], "203.0.113.5"),
            ("", ["203.0.113.5"], "203.0.113.5"),
            ("127.0.0.1", ["203.0.113.5, unix:"], "203.0.113.5"),
            # What cannot be an address ends the walk at the last that somebody trusted has seen.
            ("127.0.0.1", ["203.0.113.5, unknown"], "127.0.0.1"),
            ("127.0.0.1", ["203.0.113.5, _hidden, 10.1.2.3"], "10.1.2.3"),
            ("127.0.0.1", ["<script>"], "127.0.0.1"),
            ("127.0.0.1", ["\xff\x00"], "127.0.0.1"),
            ("127.0.0.1", [",,, ,"], "127.0.0.1"),
        ],
    )
    def test_first_from_the_right_that_is_not_trusted(
        self, peer: str, values: list[str], client: str
    ) -> None:
        assert find_client(peer, *values) == client

    @pytest.mark.parametrize("peer", ["203.0.113.1", "127.0.0.2", "::1", "11.0.0.1", "unknown"])
    def test_stranger_is_believed_nothing(self, peer: str) -> None:
        assert find_client(peer, "1.1.1.1") == peer
        front = make_front((), TRUSTED)
        assert front.find_scheme(peer, [(b"x-forwarded-proto", b"https")]) is None
        assert not front.is_forwarded(peer, [(b"x-forwarded-for", b"1.1.1.1")])

    @pytest.mark.parametrize("peer", ["127.0.0.1", "", "::1", "unix:"])
    def test_nobody_is_trusted_by_default(self, peer: str) -> None:
        front = make_front((), None)
        assert front.find_client(peer, [(b"x-forwarded-for", b"1.1.1.1")]) == peer

    @pytest.mark.parametrize(
        ("values", "scheme"),
        [
            (["https"], "https"),
            (["HTTPS"], "https"),
            (["wss"], "https"),
            (["http"], "http"),
            (["http, https"], "https"),
            (["http", "https"], "https"),
            (["ftp"], None),
            ([""], None),
            ([], None),
        ],
    )
    def test_scheme_is_the_nearest_proxys(self, values: list[str], scheme: str | None) -> None:
        headers = [(b"x-forwarded-proto", value.encode()) for value in values]
        assert make_front((), TRUSTED).find_scheme("127.0.0.1", headers) == scheme


async def visit(
    path: str, host: str, *, peer: str = "127.0.0.1", **headers: str
) -> tuple[dict[str, Any], str]:
    """Return the scope that routes see, and a link that they write."""
    found: list[tuple[dict[str, Any], str]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found.append((dict(scope), make_link("/jobs/1")))

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "scheme": "http",
        "root_path": "",
        "client": (peer, 1234),
        "headers": [
            (b"host", host.encode()),
            *((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()),
        ],
    }

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    front = make_front(parse_public_urls(URLS), TRUSTED)
    await Visits(app, front=front)(scope, nothing, nothing)
    return found[0]


class TestVisits:
    @pytest.mark.parametrize(
        ("path", "host", "headers", "route", "link", "base", "is_secure"),
        [
            # Directly, on this machine.
            ("/search", "127.0.0.1:8420", {}, "/search", "", "./", False),
            ("/assets/a", "127.0.0.1:8420", {}, "/assets/a", "", "../", False),
            # The path as it was asked for, whatever the host.
            ("/cinemill/search", "media.example.com", {}, "/search", "/cinemill", None, True),
            ("/cinemill/search", "127.0.0.1:8420", {}, "/search", "/cinemill", None, True),
            ("/cinemill/", "127.0.0.1:8420", {}, "/", "/cinemill", None, True),
            ("/cinemill/b/x", "other.example", {}, "/x", "/cinemill/b", None, True),
            ("/cinemillion", "127.0.0.1:8420", {}, "/cinemillion", "", "./", False),
            # The path removed, and the host passed on, with or without its port.
            ("/search", "media.example.com", {}, "/search", "/cinemill", None, True),
            ("/search", "MEDIA.example.com:443", {}, "/search", "/cinemill", None, True),
            ("/search", "other.example", {}, "/search", "/cinemill/b", None, True),
            ("/search", "media.lan", {}, "/search", "", "./", False),
            # The path removed and the host not passed on, by a proxy that is trusted.
            ("/x", "127.0.0.1", {"x_forwarded_for": "1.1.1.1"}, "/x", "/cinemill", None, True),
            # Plain HTTP through a trusted proxy.
            ("/x", "media.example.com", {"x_forwarded_proto": "http"}, "/x", "/cinemill", None,
             False),
        ],
    )  # fmt: skip
    @pytest.mark.anyio
    async def test_request_is_of_the_public_url_that_fits(
        self,
        path: str,
        host: str,
        headers: dict[str, str],
        route: str,
        link: str,
        base: str | None,
        is_secure: bool,
    ) -> None:
        scope, written = await visit(path, host, **headers)
        assert find_route_path(scope) == route
        assert written == f"{link}/api/v1/jobs/1"
        assert find_base(scope) == (base or f"{link}/")
        assert get_visit(scope).is_secure is is_secure
        assert scope["scheme"] == ("https" if is_secure else "http")

    @pytest.mark.anyio
    async def test_client_is_who_the_proxy_saw(self) -> None:
        scope, _ = await visit("/x", "media.lan", x_forwarded_for="9.9.9.9, 203.0.113.5")
        assert scope["client"] == ("203.0.113.5", 0)
        scope, _ = await visit("/x", "media.lan", peer="203.0.113.7", x_forwarded_for="9.9.9.9")
        assert scope["client"] == ("203.0.113.7", 1234)


def redirect_away(_: Request) -> Response:
    return RedirectResponse("https://files.example/docs/away/")


async def find_redirect(address: str) -> str:
    """Return where a server behind proxies redirects to."""
    routes = [
        Route("/docs", redirect_away),
        Route("/docs/away", redirect_away),
        Mount("/static", Starlette()),
    ]
    app = Visits(Starlette(routes=routes), front=make_front(parse_public_urls(URLS), TRUSTED))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        return (await client.get(address)).headers["location"]


@pytest.mark.parametrize(
    ("address", "location"),
    [
        # Relative, since the host and the path that are asked for need not be those of people.
        ("http://127.0.0.1:8420/docs/", "../docs"),
        ("http://127.0.0.1:8420/docs/?q=a%2Fb/", "../docs?q=a%2Fb/"),
        ("http://127.0.0.1:8420/docs//", "../../docs"),
        ("http://media.example.com:9/docs/", "../docs"),
        ("http://media.example.com/cinemill/docs/", "../docs"),
        ("http://media.example.com/cinemill/static", "./static/"),
        ("http://127.0.0.1:8420/docs/away", "https://files.example/docs/away/"),
        ("http://files.example/docs/away", "https://files.example/docs/away/"),
    ],
)
@pytest.mark.anyio
async def test_redirect_of_a_slash_leads_to_where_people_are(address: str, location: str) -> None:
    assert await find_redirect(address) == location


@pytest.mark.parametrize("root_path", ["", "/cinemill", "/my/api/v1", "/my/api/v1beta"])
def test_former_links_have_no_version_but_the_path(root_path: str) -> None:
    token = ROOT_PATH.set(root_path)
    try:
        assert drop_version(make_link("/assets/a")) == f"{root_path}/assets/a"
    finally:
        ROOT_PATH.reset(token)
