"""Which methods an address has, for the header ``Allow`` of a refusal (RFC 9110, section 10.2.1).

Several routes may have the same path, and each of them knows only its own methods.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Match, Mount
from starlette.types import Scope

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def list_methods(routes: Sequence[BaseRoute], scope: Scope) -> list[str]:
    """Return the methods with which a request to the path of ``scope`` would find a route."""
    # Without what the search for this request's own route has left in it.
    asked = {
        "type": "http",
        "path": scope["path"],
        "root_path": scope.get("app_root_path", scope.get("root_path", "")),
        "headers": scope["headers"],
    }
    found = [one for one in METHODS if any(_is_served(one, route, asked) for route in routes)]
    return ["GET", "HEAD", *found[1:]] if "GET" in found else found


def _is_served(method: str, route: BaseRoute, scope: Scope) -> bool:
    if isinstance(route, Mount) and method != "GET":
        return False  # a folder is found with any method, and refuses the others itself
    return route.matches({**scope, "method": method})[0] is Match.FULL
