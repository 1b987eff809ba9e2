"""Authentication: the token, the cookie that a link sets, and rules for browsers.

Three checks, in this order, before any route sees a request:

1. *Host* (only where the server listens on loopback): a page of another site whose name was
   rebound to 127.0.0.1 sends its own name here, and is refused. Names of public URLs are ours too.
2. *Token*: ``Authorization: Bearer``, or the cookie that a page's address with ``?token=…`` sets.
3. *Origin*, for methods that change something, and for WebSockets, where no bearer token vouches
   for them: a page of another site can make a browser send our cookie, and is refused. Browsers
   let a page read what comes through a WebSocket to any site. Ours are the origins of public URLs
   and the host that was asked for; and what the browser says is of the same origin, since a proxy
   may pass on another host than it was asked for.
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

from cinemill.addresses import PublicUrl
from cinemill.api.health_paths import HEALTH_PATHS
from cinemill.api.middleware.problems import problem_response
from cinemill.api.middleware.visits import Visit, find_route_path, get_visit
from cinemill.api.socket_codes import SocketClose
from cinemill.errors import CinemillError, Forbidden, Unauthorized

COOKIE_SECONDS = 30 * 24 * 3600
_DIRECT = Visit()
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SOCKET_METHOD = "WEBSOCKET"
"""In place of a method, for a handshake."""
_PUBLIC_PATHS = frozenset({*HEALTH_PATHS, "/favicon.ico"})
_PUBLIC_FOLDER = "/static/"
_LOCAL_NAME = "localhost"
_USUAL_PORTS = {"http": ":80", "https": ":443"}
_BEHIND_A_PROXY = (
    "Behind a proxy, set CINEMILL_PUBLIC_URL to the address that people open, such as "
    "https://media.example.com, and restart the server."
)


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """The rules for requests.

    With ``token`` None, none is needed. A blank one, which no token file may hold, admits nobody.
    """

    token: str | None
    host: str
    """Where the server listens."""
    port: int
    public_urls: tuple[PublicUrl, ...] = ()
    """Where proxies serve it."""

    @property
    def is_loopback(self) -> bool:
        return _is_loopback(self.host)

    def name_cookie(self, visit: Visit) -> str:
        """Return the name of the cookie for a way to come here.

        Cookies know no ports: two installations on one machine must not sign each other out. With
        a prefix, browsers take the cookie from TLS alone, and from no neighbour of the host.
        """
        name = f"cinemill-{visit.url.port if visit.url else self.port}"
        if not visit.is_secure:
            return name
        return f"__Secure-{name}" if visit.root_path else f"__Host-{name}"

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
    public_names = {one.host for one in policy.public_urls}
    if name != policy.host.lower() and not _is_loopback(name) and name not in public_names:
        raise Forbidden(
            "This server accepts requests only under its loopback address and its public URLs, "
            "not under another host name.",
            code="host_not_allowed",
            hint=f"Open http://127.0.0.1:{policy.port}/ instead. {_BEHIND_A_PROXY}",
        )


def check_origin(policy: AccessPolicy, method: str, headers: Headers) -> None:
    """Raise Forbidden where a page of another site requests a change."""
    if method not in _SAFE_METHODS and _is_foreign(policy, headers):
        raise Forbidden(
            "The request came from another site's page.",
            code="origin_not_allowed",
            hint=(
                "Use this installation's own page, or a bearer token from a script. "
                f"{_BEHIND_A_PROXY}"
            ),
        )


def _is_foreign(policy: AccessPolicy, headers: Headers) -> bool:
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
    if origin is None:
        return site not in {"none", "same-origin"}
    try:
        parts = urlsplit(origin)
    except ValueError:  # a bracket that is not closed, for instance
        return True
    asked = headers.get("host", "").lower().removesuffix(_USUAL_PORTS.get(parts.scheme, ""))
    if parts.netloc.lower() == asked or origin in {one.origin for one in policy.public_urls}:
        return False
    # The browser compares with the address that it asked; no page can write this header. A page
    # of a name that was rebound to ours is of one origin with it, but has not the cookie.
    return policy.token is None or site != "same-origin"


def has_bearer(policy: AccessPolicy, headers: Headers) -> bool:
    """Return whether the request has the token in its ``Authorization`` header."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and _proves(given, policy.token)


def has_cookie(policy: AccessPolicy, headers: Headers, visit: Visit = _DIRECT) -> bool:
    """Return whether the request has the cookie that the token's link set."""
    # Cookies know no ports: whatever else runs on this machine sends its own along, in any shape,
    # and the standard library's parser gives up at the first one that it does not understand.
    cookies = cookie_parser(headers.get("cookie", ""))
    given = cookies.get(policy.name_cookie(visit), "")
    return not _is_blank(policy.token) and _proves(given, policy.cookie_value)


def check_request(
    policy: AccessPolicy, method: str, path: str, headers: Headers, visit: Visit = _DIRECT
) -> None:
    """Check a request against all rules; ``path`` is without the public URL's.

    Raises Forbidden or Unauthorized.
    """
    check_host(policy, headers)
    if has_bearer(policy, headers):
        return
    check_origin(policy, method, headers)
    if policy.token is None or is_public(path) or has_cookie(policy, headers, visit):
        return
    raise Unauthorized("The token is missing or wrong.")


def is_public(path: str) -> bool:
    """Return whether a path is public: liveness, and the page's own files."""
    return path in _PUBLIC_PATHS or path.startswith(_PUBLIC_FOLDER)


def sign_in(policy: AccessPolicy, path: str, query: str, visit: Visit = _DIRECT) -> Response | None:
    """Return the response to ``{path}?token=…``: the cookie, and a redirect to the same page.

    ``path`` is the whole one, as it was sent. The redirect has the query without the token. None
    where there is no token, or a wrong one.
    """
    fields = parse_qsl(query, keep_blank_values=True)
    given = next((value.strip() for name, value in fields if name == "token"), "")
    if not _proves(given, policy.token):
        return None
    others = [(name, value) for name, value in fields if name != "token"]
    response = RedirectResponse(
        _own_address(path, others, visit), status_code=303, headers={"Cache-Control": "no-store"}
    )
    response.set_cookie(
        policy.name_cookie(visit),
        policy.cookie_value,
        max_age=COOKIE_SECONDS,
        path=visit.root_path or "/",
        secure=visit.is_secure,
        httponly=True,
        samesite="strict",
    )
    return response


def _own_address(path: str, fields: Sequence[tuple[str, str]], visit: Visit) -> str:
    """Return a link within this site. Two slashes at its beginning would name another host.

    Without a known public path it is relative, which is right whatever path a proxy has removed.
    """
    last = path.rpartition("/")[2]
    link = "/" + path.lstrip("/") if visit.root_path else f"./{last}"
    return quote(link, safe="/%~") + ("?" + urlencode(fields) if fields else "")


class AuthMiddleware:
    """The checks in front of the application. ``sign_in_page`` answers people who are not in."""

    def __init__(
        self, app: ASGIApp, *, policy: AccessPolicy, sign_in_page: Callable[[Scope], Response]
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
            headers, visit = Headers(scope=scope), get_visit(scope)
            check_request(self._policy, SOCKET_METHOD, find_route_path(scope), headers, visit)
        except Unauthorized as error:
            return SocketClose(error)
        except CinemillError as error:
            return problem_response(error)
        return None

    def _refuse_or_sign_in(self, scope: Scope) -> Response | None:
        headers, visit = Headers(scope=scope), get_visit(scope)
        try:
            if _may_be_link(scope, headers):
                check_host(self._policy, headers)
                query = scope["query_string"].decode("latin-1")
                path = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
                answer = sign_in(self._policy, path, query, visit)
                if answer is not None:
                    return answer
            check_request(self._policy, scope["method"], find_route_path(scope), headers, visit)
        except CinemillError as error:
            return self._refuse(error, scope, headers)
        return None

    def _refuse(self, error: CinemillError, scope: Scope, headers: Headers) -> Response:
        if isinstance(error, Unauthorized) and scope["method"] == "GET" and _wants_html(headers):
            return self._sign_in_page(scope)
        return problem_response(error)


def _may_be_link(scope: Scope, headers: Headers) -> bool:
    """Return whether a browser may have been sent here by a link or a form with the token."""
    return scope["method"] == "GET" and (find_route_path(scope) == "/" or _wants_html(headers))


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
