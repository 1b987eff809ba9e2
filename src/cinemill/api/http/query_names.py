"""Parameters of an address that a route does not have, or has once only: refused.

They may be misspelled ones, and of two values one would be ignored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from fastapi.dependencies.models import Dependant
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from cinemill.api.middleware.problems import ParametersInvalid
from cinemill.api.middleware.visits import find_route_path

STRICT_PREFIX = "/api/v1/"
"""Scripts of others call the addresses without a version, with whatever they add to them."""
_ONE_VALUE = (str, bytes)


def list_query_names(dependant: Dependant) -> Mapping[str, bool]:
    """Return the names that a route and what it depends on read from the query.

    Each with whether it may be given several times, as those of lists may.
    """
    names = {name: many for field in dependant.query_params for name, many in _list_names(field)}
    for one in dependant.dependencies:
        names |= list_query_names(one)
    return names


def _list_names(field: Any) -> Iterator[tuple[str, bool]]:
    model = field.field_info.annotation
    if isinstance(model, type) and issubclass(model, BaseModel):
        for name, one in model.model_fields.items():
            yield one.alias or name, _takes_many(one.annotation)
    else:
        yield field.alias, _takes_many(model)


def _takes_many(annotation: Any) -> bool:
    origin = get_origin(annotation) or annotation
    if origin in (Union, UnionType):
        return any(_takes_many(one) for one in get_args(annotation))
    if origin is Annotated:
        return _takes_many(get_args(annotation)[0])
    return isinstance(origin, type) and issubclass(origin, Collection) and origin not in _ONE_VALUE


def check_query(request: HTTPConnection, known: Mapping[str, bool]) -> None:
    """Raise ParametersInvalid where the query does not fit.

    It names every parameter that is not ``known``, or comes several times and may not.
    """
    if not find_route_path(request.scope).startswith(STRICT_PREFIX):
        return
    unknown = f"is unknown; there are {', '.join(sorted(known))}" if known else "is unknown"
    counts = Counter(name for name, _ in request.query_params.multi_items())
    found = [
        (name, "is given more than once" if name in known else unknown)
        for name, count in counts.items()
        if name not in known or (count > 1 and not known[name])
    ]
    if found:
        raise ParametersInvalid(found)
