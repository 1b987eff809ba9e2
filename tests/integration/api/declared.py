"""Which responses the OpenAPI document declares, checked against every one that a test receives."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import httpx

from cinemill.api.app import include_own_routers
from cinemill.api.schema import Application

Declared = dict[str, set[str]]
"""Media types by status; none where the response has no body."""


@cache
def list_operations() -> list[tuple[str, re.Pattern[str], Declared]]:
    """Return each operation's method, the pattern of its path, and its media types by status."""
    app = Application(title="Cinemill", version="1")
    include_own_routers(app)
    return [
        (method.upper(), compile_path(path), list_media_types(operation["responses"]))
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]


def compile_path(path: str) -> re.Pattern[str]:
    # The last parameter of a stream's path has slashes.
    parts = re.split(r"\{[^}]+\}", path)
    return re.compile("[^/]+(?:/.+)?".join(map(re.escape, parts)))


def list_media_types(responses: dict[str, dict[str, Any]]) -> Declared:
    return {status: set(one.get("content", {})) for status, one in responses.items()}


def check_declared(response: httpx.Response) -> None:
    """Fail where an operation sends a status or a media type that its description does not have."""
    method, path = response.request.method, response.request.url.path
    asked = "GET" if method == "HEAD" else method
    found = [
        one for verb, pattern, one in list_operations() if verb == asked and pattern.fullmatch(path)
    ]
    if not found or response.status_code == 405:  # a path without this operation
        return
    status = str(response.status_code)
    media_type = response.headers.get("content-type", "").partition(";")[0]
    assert any(is_declared(one, status, media_type) for one in found), (
        f"{method} {path} answered {status} ({media_type}), which is not declared"
    )


def is_declared(declared: Declared, status: str, media_type: str) -> bool:
    if status not in declared:
        return False
    if not media_type:
        return not declared[status]
    return media_type in declared[status] or "*/*" in declared[status]
