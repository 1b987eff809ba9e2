"""Routes of packages: where they are served, within what, and which are left out."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request, WebSocket
from fastapi.testclient import TestClient
from pydantic import BaseModel, create_model

from cinemill.api import schema
from cinemill.api.app import OWN_SEGMENTS, create_app
from cinemill.api.capability_routes import include_routers
from cinemill.api.middleware import problems
from cinemill.capability import (
    Capability,
    JobKind,
    NoParameters,
    Parameters,
    RouteResources,
)
from cinemill.capability.composition import Composition, Installed
from cinemill.catalog import COMPOSITION
from cinemill.config import load
from cinemill.errors import NotFound
from cinemill.jobs.catalog import Catalog
from cinemill.steps.discovery import LeftOut, Origin

ORIGIN = Origin("cinemill-echo", "1.0", "echo")
NOWHERE = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
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


def test_unknown_parameter_is_refused_as_on_our_own_routes() -> None:
    def build(_: object) -> APIRouter:
        router = make_router()

        @router.get("/listed/all")
        def list_echoes(limit: int = 5) -> dict[str, int]:
            return {"limit": limit}

        @router.websocket("/ws")
        async def talk(socket: WebSocket) -> None:
            await socket.accept()
            await socket.send_text("hello")
            await socket.close()

        return router

    app, _ = serve(build)
    assert call(app, "GET", "/api/v1/echo/listed/all?limit=3").json() == {"limit": 3}
    for query in ("limitt=3", "limit=1&limit=2"):
        answer = call(app, "GET", f"/api/v1/echo/listed/all?{query}")
        assert (answer.status_code, answer.json()["code"]) == (422, "parameters_invalid")
    with TestClient(app).websocket_connect("/api/v1/echo/ws?x=1") as socket:
        assert socket.receive_text() == "hello"


def test_errors_are_problem_documents() -> None:
    app, _ = serve(make_router)
    answer = call(app, "GET", "/api/v1/echo/nobody")
    assert (answer.status_code, answer.json()["code"]) == (404, "nobody")


def test_body_is_bounded() -> None:
    app, _ = serve(make_router)
    assert call(app, "POST", "/api/v1/echo/", content=b"x" * 1024).json() == {"bytes": 1024}
    assert call(app, "POST", "/api/v1/echo/", content=b"x" * (1024**2 + 1)).status_code == 413


def test_resources_are_handed_over() -> None:
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


def exits(_: object) -> APIRouter:
    router = APIRouter()

    @router.get("/sync")
    def leave_from_a_thread() -> None:
        sys.exit(1)

    @router.get("/async")
    async def leave_from_the_loop() -> None:
        sys.exit(1)

    return router


@pytest.mark.parametrize("path", ["sync", "async"])
def test_route_cannot_end_the_server(path: str, allow_error_logs: None) -> None:
    app, _ = serve(exits)
    app.add_middleware(problems.UncaughtErrors)
    answer = call(app, "GET", f"/api/v1/echo/{path}")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")


class CreateJobRequest(BaseModel):
    """Named as a model of ours."""

    loudness: int


def takes_our_name(_: object) -> APIRouter:
    router = APIRouter()

    @router.post("/")
    def create(body: CreateJobRequest) -> None: ...

    return router


class Called(BaseModel):
    call: Callable[[int], int]


def cannot_be_described(_: object) -> APIRouter:
    router = APIRouter()

    @router.post("/")
    def create(body: Called) -> None: ...

    return router


def test_description_names_models_of_packages_apart(tmp_path: Path) -> None:
    before = describe_with(tmp_path)
    after = describe_with(tmp_path, takes_our_name)
    added = {"echo.CreateJobRequest"}
    schemas = after["components"]["schemas"]
    assert schemas.keys() - before["components"]["schemas"].keys() == added
    assert schemas["CreateJobRequest"] == before["components"]["schemas"]["CreateJobRequest"]
    assert "#/components/schemas/echo.CreateJobRequest" in str(after["paths"]["/api/v1/echo/"])
    responses = after["paths"]["/api/v1/echo/"]["post"]["responses"]
    assert responses.keys() == {
        "200",
        "400",
        "401",
        "403",
        "408",
        "414",
        "422",
        "431",
        "500",
        "503",
    }
    assert responses["422"]["content"].keys() == {problems.MEDIA_TYPE}
    del after["paths"]["/api/v1/echo/"]
    assert after["paths"] == before["paths"]


def describe_with(home: Path, *factories: Any) -> dict[str, Any]:
    """Return the OpenAPI document of an API with the routes of these factories."""
    installed = tuple(
        Installed(ORIGIN, Capability("echo", (), (), lambda _: {}, build_router=one))
        for one in factories
    )
    settings = load({"CINEMILL_HOME": str(home), **NOWHERE})
    return create_app(settings, composition=replace(COMPOSITION, installed=installed)).openapi()


class Plain(Parameters):
    call: Callable[[int], int] | None = None


Large = create_model(
    "Large",
    __base__=Parameters,
    **{f"field_{n}": (int, 0) for n in range(6000)},  # type: ignore[call-overload]
)


@pytest.mark.parametrize("model", [Plain, Large, NoParameters])
def test_parameters_of_packages_never_spoil_the_description(
    model: type[Parameters], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = JobKind("make_echo", model, lambda params, asset_id: [])
    echo = Installed(ORIGIN, Capability("echo", (), (kind,), lambda _: {}))
    monkeypatch.setattr(schema, "COMPOSITION", replace(COMPOSITION, installed=(echo,)))
    found = schema.describe_parameters()
    assert found[f"echo.{model.__name__}"]["type"] == "object"
    assert len(str(found[f"echo.{model.__name__}"])) < 10_000
    listed = schema.describe_request()["params"]["anyOf"]
    assert {"$ref": f"#/components/schemas/echo.{model.__name__}"} in listed


@pytest.mark.parametrize(
    ("build_router", "name", "words"),
    [
        (fail, "echo", "build_router ends in OSError: no licence"),
        (leave, "echo", "SystemExit"),
        (cannot_be_described, "echo", "Cannot generate a JsonSchema"),
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
