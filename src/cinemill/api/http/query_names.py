"""Parameters of an address that no route has: refused, since they may be misspelled ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi.dependencies.models import Dependant
from pydantic import BaseModel
from starlette.requests import Request

from cinemill.api.middleware.problems import ParametersInvalid
from cinemill.api.middleware.visits import find_route_path

STRICT_PREFIX = "/api/v1/"
"""Scripts of others call the addresses without a version, with whatever they add to them."""


def list_query_names(dependant: Dependant) -> frozenset[str]:
    """Return the names that a route and what it depends on read from the query."""
    own = (name for field in dependant.query_params for name in _list_names(field))
    return frozenset(own).union(*(list_query_names(one) for one in dependant.dependencies))


def _list_names(field: Any) -> Iterator[str]:
    model = field.field_info.annotation
    if isinstance(model, type) and issubclass(model, BaseModel):
        yield from (one.alias or name for name, one in model.model_fields.items())
    else:
        yield field.alias


def check_query(request: Request, known: frozenset[str]) -> None:
    """Raise ParametersInvalid, which names every parameter of the query that is not ``known``."""
    if not find_route_path(request.scope).startswith(STRICT_PREFIX):
        return
    unknown = [name for name in dict.fromkeys(request.query_params) if name not in known]
    if unknown:
        what = f"is unknown; there are {', '.join(sorted(known))}" if known else "is unknown"
        raise ParametersInvalid([(name, what) for name in unknown])
