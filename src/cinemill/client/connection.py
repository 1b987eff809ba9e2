"""Requests with the token on them, and every failure as a ClientError."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from cinemill import __version__
from cinemill.client.certificates import make_context
from cinemill.client.errors import (
    ClientError,
    error_from_response,
    error_from_text,
    error_from_transport,
)

API = "/api/v1"
_ANY_TLS = ssl.PROTOCOL_TLS_CLIENT
TIMEOUT = httpx.Timeout(30, connect=5, write=60)


class Connection:
    """One server and the token for it. ``base_url`` has no slash at its end."""

    def __init__(
        self,
        base_url: str,
        token: str | None,
        *,
        ca_file: str | Path | None = None,
        public_url: str | None = None,
    ) -> None:
        """Open nothing yet. ``public_url`` is where people open the server, if elsewhere."""
        self.base_url = base_url.rstrip("/")
        self.public_url = (public_url or base_url).rstrip("/")
        headers = {"User-Agent": f"cinemill/{__version__}"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            is_secure = httpx.URL(self.base_url).scheme == "https"
            self._http = httpx.Client(
                base_url=self.base_url,
                headers=headers,
                timeout=TIMEOUT,
                # Reading all authorities takes 20 ms, and without TLS there is nothing to trust.
                verify=make_context(ca_file) if is_secure else ssl.SSLContext(_ANY_TLS),
            )
        except (httpx.InvalidURL, ValueError) as problem:
            raise _wrong_address(base_url, str(problem)) from problem
        if self._http.base_url.scheme not in ("http", "https") or not self._http.base_url.host:
            raise _wrong_address(base_url, "it must begin with http:// or https://")

    def close(self) -> None:
        self._http.close()

    @contextmanager
    def stream(self, method: str, path: str, **request: Any) -> Iterator[httpx.Response]:
        """Yield a response whose body is still to be read. Raises ClientError for any but success.

        A transport error while the caller reads the body is a ClientError too, and so is a text
        that cannot be sent (``text_invalid``).
        """
        try:
            prepared = self._http.build_request(method, path, **request)
        except UnicodeEncodeError as problem:
            raise error_from_text(problem.object[max(0, problem.start - 30) :]) from problem
        try:
            with closing(self._http.send(prepared, stream=True)) as response:
                if not response.is_success:
                    response.read()
                    raise error_from_response(response, self.base_url)
                yield response
        except httpx.LocalProtocolError as problem:
            raise error_from_text(str(problem)) from problem
        except httpx.TransportError as problem:
            raise error_from_transport(problem, self.base_url) from problem

    def call(self, method: str, path: str, **request: Any) -> Any:
        """Return the JSON of a response; None for an empty one."""
        with self.stream(method, path, **request) as response:
            body = response.read()
        if not body:
            return None
        try:
            return json.loads(body)
        except ValueError as problem:
            raise ClientError(
                f"The server at {self.base_url} is not a Cinemill server: the "
                "response is not JSON.",
                code="not_a_mill",
                hint="Check the address in CINEMILL_URL, and whether a proxy asks for a sign-in.",
                status=response.status_code,
            ) from problem


def resolve_link(link: str, public_url: str) -> str:
    """Return the address that a link in a document leads to, such as an artifact's ``url``.

    Where a proxy removed the path of the server from the request, the link lacks it.
    """
    root_path = urlsplit(public_url).path
    if root_path and link.startswith(f"{root_path}/"):
        return public_url.removesuffix(root_path) + link
    return public_url + link


def drop_none(**values: Any) -> Mapping[str, Any]:
    """Return parameters without those that are None: httpx would send them empty."""
    return {name: value for name, value in values.items() if value is not None}


def _wrong_address(base_url: str, reason: str) -> ClientError:
    return ClientError(
        f"{base_url!r} is not a valid server address: {reason}.",
        code="address_invalid",
        hint="Use an address such as http://127.0.0.1:8420.",
        status=400,
    )
