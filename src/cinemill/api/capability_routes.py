"""Routes that packages' capabilities bring, below ``/api/v1/NAME``."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.requests import HTTPConnection

from cinemill.api.http.bodies import ORDINARY_BYTES
from cinemill.api.http.query_names import check_query, list_query_names
from cinemill.api.models.documents import PREFIX
from cinemill.api.schema import REFERENCE
from cinemill.capability.composition import Composition, Installed
from cinemill.errors import CinemillError
from cinemill.steps.capability import RouteResources
from cinemill.steps.discovery import LeftOut
from cinemill.steps.package_code import contained, describe


def include_routers(
    app: FastAPI, composition: Composition, resources: RouteResources, *, taken: Collection[str]
) -> list[LeftOut]:
    """Add the routes of installed capabilities; returns those that were left out, and why.

    ``taken`` are the first segments of the server's own paths. Raises nothing.
    """
    return [
        left_out
        for installed in composition.installed
        if (left_out := _include(app, installed, resources, taken)) is not None
    ]


def find_segments(routers: Collection[APIRouter]) -> set[str]:
    """Return the first segment of every path of these routers: ``jobs`` for ``/jobs/{job_id}``."""
    paths = (str(getattr(route, "path", "")) for router in routers for route in router.routes)
    return {path.split("/")[1] for path in paths if path.startswith("/")}


def build_router(
    installed: Installed, resources: RouteResources, *, taken: Collection[str]
) -> APIRouter | LeftOut | None:
    """Return the router of a capability, or why it is left out; None where it brings none."""
    capability = installed.capability
    if capability.build_router is None:
        return None
    try:
        with contained():
            router = capability.build_router(resources)
    except CinemillError as error:
        reason = f"has routes that cannot be served: {error.message}"
        return LeftOut.because(installed.origin, reason, hint=error.hint)
    except Exception as error:  # noqa: BLE001 - it is somebody else's code
        reason = f"has routes that cannot be served: build_router ends in {describe(error)}."
        return LeftOut.because(installed.origin, reason)
    flaw = next(_find_flaws(capability.name, router, taken), None)
    if flaw is None and isinstance(router, APIRouter):
        return router
    return LeftOut.because(installed.origin, f"has routes that cannot be served: {flaw}.")


def _include(
    app: FastAPI, installed: Installed, resources: RouteResources, taken: Collection[str]
) -> LeftOut | None:
    router = build_router(installed, resources, taken=taken)
    if not isinstance(router, APIRouter):
        return router
    name = installed.capability.name
    try:
        with contained():
            document = _describe(router, name)
            # What the package calls its models must not rename ours in the API's description.
            app.include_router(
                router,
                prefix=f"{PREFIX}/{name}",
                max_body_size=ORDINARY_BYTES,
                dependencies=[Depends(_check_query)],
                include_in_schema=False,
            )
    except Exception as error:  # noqa: BLE001 - what the router holds is somebody else's
        reason = f"has routes that cannot be served: {describe(error)}."
        return LeftOut.because(installed.origin, reason)
    app.state.route_documents = [*getattr(app.state, "route_documents", ()), document]
    return None


def _check_query(connection: HTTPConnection) -> None:
    """Refuse parameters that the route does not have, as Cinemill's own routes do."""
    if connection.scope["type"] == "http":
        check_query(connection, list_query_names(connection.scope["route"].dependant))


def _describe(router: APIRouter, name: str) -> dict[str, Any]:
    """Return the OpenAPI document of these routes alone, its models named ``NAME.Model``."""
    alone = FastAPI()
    alone.include_router(router, prefix=f"{PREFIX}/{name}", tags=[name])
    document = json.loads(
        json.dumps(alone.openapi()).replace(f'"{REFERENCE}', f'"{REFERENCE}{name}.')
    )
    schemas = document.get("components", {}).get("schemas", {})
    named = {f"{name}.{model}": schema for model, schema in schemas.items()}
    return {"paths": document["paths"], "schemas": named}


def _find_flaws(name: str, router: object, taken: Collection[str]) -> Iterator[str]:
    if not isinstance(router, APIRouter):
        yield f"build_router returns a {type(router).__name__} instead of a fastapi.APIRouter"
        return
    if name in taken:
        yield f"Cinemill's own are at {PREFIX}/{name}"
    # They would run as part of the server's own start, and end it where they fail.
    has_lifespan = type(router.lifespan_context) is not type(APIRouter().lifespan_context)
    if has_lifespan or router.on_startup or router.on_shutdown:
        yield "the router has code for the server's start or stop; open what it needs when asked"
