"""Which responses the OpenAPI document declares, checked against every one that a test receives."""

from __future__ import annotations

import re
from functools import cache

import httpx

from cinemill.api.app import include_own_routers
from cinemill.api.schema import Application


@cache
def list_operations() -> list[tuple[str, re.Pattern[str], dict[str, set[str]]]]:
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


def list_media_types(responses: dict[str, dict[str, dict[str, object]]]) -> dict[str, set[str]]:
    return {status: set(one.get("content", {})) for status, one in responses.items()}


def check_declared(response: httpx.Response) -> None:
    """Fail where an operation answers with an error that its description does not have."""
    if response.status_code < 400:
        return
    method, path = response.request.method, response.request.url.path
    found = [
        one
        for verb, pattern, one in list_operations()
        if verb == method and pattern.fullmatch(path)
    ]
    if not found:
        return
    status, media_type = str(response.status_code), response.headers.get("content-type")
    assert any(media_type in one.get(status, set()) for one in found), (
        f"{method} {path} answered {status} ({media_type}), which is not declared"
    )
