"""How each request came: by which public URL, over TLS or not, and from whom.

Everything that depends on it reads the scope afterwards: ``root_path`` and ``path`` as ASGI has
them, ``scheme``, ``client``, and the :class:`Visit`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import cast
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cinemill.addresses import PublicUrl
from cinemill.api.middleware.forwarding import Front
from cinemill.api.middleware.root_path import ROOT_PATH

_KEY = "cinemill.visit"
_SOCKET_SCHEMES = {"http": "ws", "https": "wss"}


@dataclass(frozen=True, slots=True)
class Visit:
    """How a request came."""

    url: PublicUrl | None = None
    """The public URL that it was sent to; None where it came directly, or that cannot be seen."""
    is_secure: bool = False
    """Whether the client speaks TLS with the proxy."""

    @property
    def root_path(self) -> str:
        return self.url.path if self.url else ""


def get_visit(scope: Scope) -> Visit:
    """Return how a request came; directly, where nobody has looked."""
    return cast("Visit", scope.get(_KEY) or Visit())


def find_route_path(scope: Scope) -> str:
    """Return the path as routes have it, without that of the public URL."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"


def find_base(scope: Scope) -> str:
    """Return what a page's links begin with, to lead to the installation's first page.

    Relative where no public path is known, so that a path that a proxy removes does not matter.
    """
    root_path = get_visit(scope).root_path
    if root_path:
        return f"{root_path}/"
    raw_path = bytes(scope.get("raw_path") or scope["path"].encode())
    return "../" * (raw_path.count(b"/") - 1) or "./"


class Visits:
    """Finds how each request came, before any other layer looks at it."""

    def __init__(self, app: ASGIApp, *, front: Front) -> None:
        self._app = app
        self._front = front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if scope["type"] == "http" and scope["path"] in self._front.paths:
            # Relative links of a page at this address would leave the path.
            query = scope["query_string"].decode("latin-1")
            target = f"{scope['path']}/" + (f"?{query}" if query else "")
            headers = {"Cache-Control": "no-store"}
            await RedirectResponse(target, 308, headers=headers)(scope, receive, send)
            return
        scope = self._describe(scope)
        token = ROOT_PATH.set(scope["root_path"])
        try:
            await self._app(scope, receive, partial(_send, scope, send))
        finally:
            ROOT_PATH.reset(token)

    def _describe(self, scope: Scope) -> Scope:
        peer = (scope.get("client") or ("",))[0]
        raw_headers = scope["headers"]
        scheme = self._front.find_scheme(peer, raw_headers)
        path = self._front.find_path(scope["path"])
        is_forwarded = self._front.is_forwarded(peer, raw_headers)
        url = self._find_url(path, scheme, Headers(scope=scope), is_forwarded=is_forwarded)
        scheme = scheme or (url.scheme if url else "http")
        described = {
            **scope,
            _KEY: Visit(url, is_secure=scheme == "https"),
            "scheme": _SOCKET_SCHEMES[scheme] if scope["type"] == "websocket" else scheme,
            "root_path": url.path if url else "",
        }
        if url and url.path and not path:
            # The proxy has removed it. ASGI has the whole path, whoever has removed a part.
            described["path"] = url.path + scope["path"]
            described["raw_path"] = url.path.encode() + (scope.get("raw_path") or b"")
        if is_forwarded:
            described["client"] = (self._front.find_client(peer, raw_headers), 0)
        return described

    def _find_url(
        self, path: str, scheme: str | None, headers: Headers, *, is_forwarded: bool
    ) -> PublicUrl | None:
        """Return the public URL that fits a request best: by its path, its host, its scheme.

        Where the proxy passes on neither path nor host, only one that is trusted to say that it
        passes something on is taken for the first URL's.
        """
        asked = headers.get("host", "").lower()
        urls = [one for one in self._front.urls if not path or one.path == path]
        fitting = [one for one in urls if asked in (one.netloc, f"{one.netloc}:{one.port}")]
        fitting = fitting or [one for one in urls if _host_of(asked) == one.host]
        if not fitting and is_forwarded and not path:
            return next((one for one in urls if scheme in (None, one.scheme)), None)
        fitting = fitting or (urls if path else [])
        if scheme:
            return next(iter([one for one in fitting if one.scheme == scheme] or fitting), None)
        # Cookies for TLS alone would keep out who comes without.
        return min(fitting, key=lambda one: one.scheme, default=None)


async def _send(scope: Scope, send: Send, message: Message) -> None:
    if message["type"] == "http.response.start" and message["status"] == 307:
        _make_relative(scope, MutableHeaders(scope=message))
    await send(message)


def _make_relative(scope: Scope, headers: MutableHeaders) -> None:
    """Rewrite a redirect to the same path with a slash less, or one more.

    Starlette's is to the host that the proxy asked for, which people may not reach.
    """
    own = f"{scope['scheme']}://{Headers(scope=scope).get('host', '')}/"
    location = headers.get("location", "")
    target, mark, query = location[len(own) :].partition("?")
    path = unquote(f"/{target}")
    if not location.lower().startswith(own.lower()) or path.strip("/") != scope["path"].strip("/"):
        return
    asked = bytes(scope.get("raw_path") or scope["path"].encode())
    up = "../" * (len(asked) - len(asked.rstrip(b"/"))) or "./"
    name = target.rstrip("/").rpartition("/")[2]
    headers["location"] = f"{up}{name}{'/' if target.endswith('/') else ''}{mark}{query}"


def _host_of(header: str) -> str:
    """``media.example.com:8443`` → ``media.example.com``; ``[::1]:8420`` → ``::1``."""
    try:
        return (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return ""
