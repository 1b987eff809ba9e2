"""Requests with the token on them, and every failure as a ClientError."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import httpx

from cinemill import __version__
from cinemill.client.errors import (
    ClientError,
    error_from_response,
    error_from_text,
    error_from_transport,
)

API = "/api/v1"
TIMEOUT = httpx.Timeout(30, connect=5, write=60)


class Connection:
    """One server and the token for it. ``base_url`` has no slash at its end."""

    def __init__(self, base_url: str, token: str | None) -> None:
        self.base_url = base_url.rstrip("/")
        headers = {"User-Agent": f"cinemill/{__version__}"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            self._http = httpx.Client(base_url=self.base_url, headers=headers, timeout=TIMEOUT)
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
                if response.is_error:
                    response.read()
                    raise error_from_response(response)
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
                hint="Check the address in CINEMILL_URL.",
                status=response.status_code,
            ) from problem


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
