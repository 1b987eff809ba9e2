"""Authentication: the token, the cookie that a link sets, and rules for browsers.

Three checks, in this order, before any route sees a request:

1. *Host* (only where the server listens on loopback): a page of another site whose name was
   rebound to 127.0.0.1 sends its own name here, and is refused.
2. *Token*: ``Authorization: Bearer``, or the cookie that a page's address with ``?token=…`` sets.
3. *Origin*, for methods that change something, and for WebSockets, where no bearer token vouches
   for them: a page of another site can make a browser send our cookie, and is refused. Browsers
   let a page read what comes through a WebSocket to any site.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cinemill.api.health_paths import HEALTH_PATHS
from cinemill.api.middleware.problems import problem_response
from cinemill.api.socket_codes import SocketClose
from cinemill.errors import CinemillError, Forbidden, Unauthorized

COOKIE_SECONDS = 30 * 24 * 3600
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SOCKET_METHOD = "WEBSOCKET"
"""In place of a method, for a handshake."""
_PUBLIC_PATHS = frozenset({*HEALTH_PATHS, "/favicon.ico"})
_PUBLIC_FOLDER = "/static/"
_LOCAL_NAME = "localhost"


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """The rules for requests.

    With ``token`` None, none is needed. A blank one, which no token file may hold, admits nobody.
    """

    token: str | None
    host: str
    """Where the server listens."""
    port: int

    @property
    def is_loopback(self) -> bool:
        return _is_loopback(self.host)

    @property
    def cookie_name(self) -> str:
        """Cookies know no ports: two installations on one machine must not sign each other out."""
        return f"cinemill-{self.port}"

    @property
    def cookie_value(self) -> str:
        """Proves the token without being it, so that a leaked cookie jar leaks no token."""
        key = (self.token or "").encode()
        return hmac.new(key, b"cinemill browser cookie", hashlib.sha256).hexdigest()


def check_host(policy: AccessPolicy, headers: Headers) -> None:
    """Raise Forbidden where a loopback server is addressed by a name that is not its own."""
    if not policy.is_loopback:
        return
    name = _host_name(headers.get("host", ""))
    if name != policy.host.lower() and not _is_loopback(name):
        raise Forbidden(
            "This server accepts requests only under its loopback address, not under "
            "another host name.",
            code="host_not_allowed",
            hint=f"Open http://127.0.0.1:{policy.port}/ instead.",
        )


def check_origin(method: str, headers: Headers) -> None:
    """Raise Forbidden where a page of another site requests a change."""
    if method in _SAFE_METHODS:
        return
    origin = headers.get("origin")
    if origin is None:
        is_foreign = headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}
    else:
        is_foreign = urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
    if is_foreign:
        raise Forbidden(
            "The request came from another site's page.",
            code="origin_not_allowed",
            hint="Use this installation's own page, or a bearer token from a script.",
        )


def has_bearer(policy: AccessPolicy, headers: Headers) -> bool:
    """Return whether the request has the token in its ``Authorization`` header."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and _proves(given, policy.token)


def has_cookie(policy: AccessPolicy, headers: Headers) -> bool:
    """Return whether the request has the cookie that the token's link set."""
    # Cookies know no ports: whatever else runs on this machine sends its own along, in any shape,
    # and the standard library's parser gives up at the first one that it does not understand.
    given = cookie_parser(headers.get("cookie", "")).get(policy.cookie_name, "")
    return not _is_blank(policy.token) and _proves(given, policy.cookie_value)


def check_request(policy: AccessPolicy, method: str, path: str, headers: Headers) -> None:
    """Check a request against all rules. Raises Forbidden or Unauthorized."""
    check_host(policy, headers)
    if has_bearer(policy, headers):
        return
    check_origin(method, headers)
    if policy.token is None or is_public(path) or has_cookie(policy, headers):
        return
    raise Unauthorized("The token is missing or wrong.")


def is_public(path: str) -> bool:
    """Return whether a path is public: liveness, and the page's own files."""
    return path in _PUBLIC_PATHS or path.startswith(_PUBLIC_FOLDER)


def sign_in(policy: AccessPolicy, path: str, query: str) -> Response | None:
    """Return the response to ``{path}?token=…``: the cookie, and a redirect to the same page.

    The redirect has the query without the token. None where there is no token, or a wrong one.
    """
    fields = parse_qsl(query, keep_blank_values=True)
    given = next((value.strip() for name, value in fields if name == "token"), "")
    if not _proves(given, policy.token):
        return None
    others = [(name, value) for name, value in fields if name != "token"]
    response = RedirectResponse(
        _own_address(path, others), status_code=303, headers={"Cache-Control": "no-store"}
    )
    response.set_cookie(
        policy.cookie_name,
        policy.cookie_value,
        max_age=COOKIE_SECONDS,
        httponly=True,
        samesite="strict",
    )
    return response


def _own_address(path: str, fields: Sequence[tuple[str, str]]) -> str:
    """Return a link within this site. Two slashes at its beginning would name another host."""
    return "/" + quote(path.lstrip("/")) + ("?" + urlencode(fields) if fields else "")


class AuthMiddleware:
    """The checks in front of the application. ``sign_in_page`` answers people who are not in."""

    def __init__(
        self, app: ASGIApp, *, policy: AccessPolicy, sign_in_page: Callable[[], Response]
    ) -> None:
        self._app = app
        self._policy = policy
        self._sign_in_page = sign_in_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: ASGIApp | None = None
        if scope["type"] == "http":
            answer = self._refuse_or_sign_in(scope)
        elif scope["type"] == "websocket":
            answer = self._refuse_socket(scope)
        await (answer or self._app)(scope, receive, send)

    def _refuse_socket(self, scope: Scope) -> ASGIApp | None:
        try:
            check_request(self._policy, SOCKET_METHOD, scope["path"], Headers(scope=scope))
        except Unauthorized as error:
            return SocketClose(error)
        except CinemillError as error:
            return problem_response(error)
        return None

    def _refuse_or_sign_in(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        try:
            if _may_be_link(scope, headers):
                check_host(self._policy, headers)
                query = scope["query_string"].decode("latin-1")
                answer = sign_in(self._policy, scope["path"], query)
                if answer is not None:
                    return answer
            check_request(self._policy, scope["method"], scope["path"], headers)
        except CinemillError as error:
            return self._refuse(error, scope["method"], headers)
        return None

    def _refuse(self, error: CinemillError, method: str, headers: Headers) -> Response:
        if isinstance(error, Unauthorized) and method == "GET" and _wants_html(headers):
            return self._sign_in_page()
        return problem_response(error)


def _may_be_link(scope: Scope, headers: Headers) -> bool:
    """Return whether a browser may have been sent here by a link or a form with the token."""
    return scope["method"] == "GET" and (scope["path"] == "/" or _wants_html(headers))


def _wants_html(headers: Headers) -> bool:
    return "text/html" in headers.get("accept", "")


def _proves(given: str, secret: str | None) -> bool:
    """Return whether a text is the secret, comparing in constant time whatever was sent.

    A blank secret matches nothing.
    """
    if secret is None or _is_blank(secret) or _is_blank(given):
        return False
    return hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode("utf-8", "replace"))


def _is_blank(text: str | None) -> bool:
    return text is None or not text.strip()


def _host_name(header: str) -> str:
    """``127.0.0.1:8420`` → ``127.0.0.1``; ``[::1]:8420`` → ``::1``."""
    try:
        return (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    if name.lower() == _LOCAL_NAME:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
