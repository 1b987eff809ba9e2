"""Routes of packages: where they are served, within what, and which are left out."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request

from cinemill.api.app import OWN_SEGMENTS
from cinemill.api.capability_routes import include_routers
from cinemill.api.middleware import problems
from cinemill.capability import Capability, RouteResources
from cinemill.capability.composition import Composition, Installed
from cinemill.errors import NotFound
from cinemill.jobs.catalog import Catalog
from cinemill.steps.discovery import LeftOut, Origin

ORIGIN = Origin("cinemill-echo", "1.0", "echo")
RESOURCES = cast("RouteResources", object())


def make_router(_: object = None) -> APIRouter:
    router = APIRouter()

    @router.get("/{name}")
    def read_echo(name: str) -> dict[str, str]:
        if name == "nobody":
            raise NotFound("Nobody answers.", code="nobody")
        return {"echo": name}

    @router.post("/")
    async def write_echo(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    return router


def serve(build_router: Any, name: str = "echo") -> tuple[FastAPI, list[LeftOut]]:
    app = FastAPI()
    problems.install(app)
    capability = Capability(name, (), (), lambda _: {}, build_router=build_router)
    composition = Composition((), (Installed(ORIGIN, capability),), (), Catalog({}, {}, {}))
    return app, include_routers(app, composition, RESOURCES, taken=OWN_SEGMENTS)


def call(app: FastAPI, method: str, path: str, **request: Any) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            return await http.request(method, path, **request)

    return asyncio.run(send())


def test_routes_are_served_below_the_name() -> None:
    app, left_out = serve(make_router)
    assert left_out == []
    assert call(app, "GET", "/api/v1/echo/hello").json() == {"echo": "hello"}


def test_errors_are_problem_documents() -> None:
    app, _ = serve(make_router)
    answer = call(app, "GET", "/api/v1/echo/nobody")
    assert (answer.status_code, answer.json()["code"]) == (404, "nobody")


def test_a_body_is_bounded() -> None:
    app, _ = serve(make_router)
    assert call(app, "POST", "/api/v1/echo/", content=b"x" * 1024).json() == {"bytes": 1024}
    assert call(app, "POST", "/api/v1/echo/", content=b"x" * (1024**2 + 1)).status_code == 413


def test_the_resources_are_handed_over() -> None:
    given: list[object] = []

    def build(resources: object) -> APIRouter:
        given.append(resources)
        return make_router()

    serve(build)
    assert given == [RESOURCES]


def fail(*_: object) -> Any:
    raise OSError("no licence")


def leave(_: object) -> None:
    raise SystemExit(1)


@pytest.mark.parametrize(
    ("build_router", "name", "words"),
    [
        (fail, "echo", "build_router ends in OSError: no licence"),
        (leave, "echo", "SystemExit"),
        (lambda _: None, "echo", "returns a NoneType instead of a fastapi.APIRouter"),
        (lambda _: FastAPI(), "echo", "returns a FastAPI instead"),
        (lambda: APIRouter(), "echo", "TypeError"),
        (make_router, "jobs", "Cinemill's own are at /api/v1/jobs"),
        (make_router, "health", "Cinemill's own are at /api/v1/health"),
        (lambda _: APIRouter(on_startup=[fail]), "echo", "start or stop"),
        (lambda _: APIRouter(lifespan=fail), "echo", "start or stop"),
    ],
)
def test_routes_that_cannot_be_served_are_left_out(
    build_router: Any, name: str, words: str
) -> None:
    app, (left_out,) = serve(build_router, name)
    assert words in left_out.reason
    assert left_out.reason.startswith("cinemill-echo 1.0 has routes that cannot be served: ")
    assert call(app, "GET", f"/api/v1/{name}/hello").status_code == 404
