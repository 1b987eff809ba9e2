"""Every route below ``/api/v1``: typed results, declared problems, pages of lists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, get_origin

import pytest
from fastapi.routing import APIRoute

from cinemill.api.app import UNVERSIONED_ROUTERS, V1_ROUTERS, include_own_routers
from cinemill.api.middleware.problems import MEDIA_TYPE
from cinemill.api.models.documents import PREFIX, Document
from cinemill.api.models.pages import Page
from cinemill.api.models.timelines import RenderLayout
from cinemill.api.routes import operations
from cinemill.api.schema import Application, add_schemas
from cinemill.capabilities.captions.formats import FILES as CAPTIONS
from cinemill.capabilities.streaming.encode_ladder import MEDIA_TYPES as STREAMED
from cinemill.media.encoding.encode_plan import MEDIA_TYPES as ENCODED

DOCUMENTS_WITH_LISTS = {
    "/analyses/{analysis_id}/report.json": "one report",
    "/analyses/{analysis_id}": "one analysis; its frames and regions are lists of their own",
    "/assets/{asset_id}": "the artifacts of one video, which the page shows together",
    "/jobs/{job_id}": "one job",
    "/jobs/{job_id}/status": "the steps of one job",
    "/jobs/{job_id}/timeline": "one timeline, drawn as a whole",
    "/stats": "a report",
    "/debug": "a report",
    "/search": "the best hits; a limit is all that there is of a ranking",
    "/search/pictures": "the most similar pictures; a ranking",
    "/assets/{asset_id}/similar": "the most similar pictures; a ranking",
    "/assets/{asset_id}/chapters": "at most 100 chapters of one video, which belong together",
    "/conversations/{conversation_id}": "one conversation, of twenty turns at most",
}
"""GET routes whose result has a list and is no list."""
FILES = {"/assets/{asset_id}/files/{kind}", "/assets/{asset_id}/streams/{stream}/{filename}"}
FORMER_NAMES = {"job_id", "task_id", "state", "failure", "step_id", "way_on"}
REFERENCES = {
    "DeadStepDocument": {"job_id"},
    "ProgressDocument": {"job_id"},
    "SavedCaptions": {"job_id"},
    "DeadMessageDocument": {"task_id"},
    "UploadAccepted": {"task_id"},
    "TaskState": {"state"},
}
"""Members that name another thing, or belong to a contract."""


def list_routes() -> list[APIRoute]:
    routers = (*V1_ROUTERS, operations.health_router)
    return [route for one in routers for route in one.routes if isinstance(route, APIRoute)]


def find_routes(method: str) -> list[APIRoute]:
    return [route for route in list_routes() if method in (route.methods or ())]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    app = Application(title="Cinemill", version="1")
    include_own_routers(app)
    return app.openapi()


def name(route: APIRoute) -> str:
    return f"{'/'.join(sorted(route.methods or ()))} {route.path}"


@pytest.mark.parametrize("route", list_routes(), ids=name)
def test_v1_route_returns_a_typed_document_or_declares_its_media_type(
    route: APIRoute, document: dict[str, Any]
) -> None:
    for method in route.methods or ():
        operation = document["paths"][PREFIX + route.path][method.lower()]
        ok = next(status for status in operation["responses"] if status.startswith("2"))
        if route.response_model is not None:
            assert isinstance(route.response_model, type)
            assert issubclass(route.response_model, Document)
        elif ok != "204":
            media_types = operation["responses"][ok]["content"]
            assert media_types
            assert "application/json" not in media_types or route.path in FILES


@pytest.mark.parametrize("route", list_routes(), ids=name)
def test_v1_route_declares_its_problems(route: APIRoute, document: dict[str, Any]) -> None:
    always = {"400", "403", "500", "503"} | ({"401"} if route.path != "/health" else set())
    always |= {"404"} if "{" in route.path else set()
    always |= {"422"}
    for method in route.methods or ():
        operation = document["paths"][PREFIX + route.path][method.lower()]
        responses = operation["responses"]
        assert responses.keys() >= always
        has_body = "requestBody" in operation
        assert not has_body or responses.keys() >= {"413", "422"}
        for status, response in responses.items():
            if int(status) >= 400:
                schema = response["content"][MEDIA_TYPE]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}
                is_health = (route.path, status) == ("/health", "503")
                is_sign_in = (method, status) == ("GET", "401")
                others = {"application/json"} if is_health else set()
                others |= {"text/html"} if is_sign_in else set()
                assert set(response["content"]) == {MEDIA_TYPE} | others


def has_list(model: object) -> bool:
    if not (isinstance(model, type) and issubclass(model, Document)):
        return False
    return any(get_origin(field.annotation) is list for field in model.model_fields.values())


@pytest.mark.parametrize("route", find_routes("GET"), ids=name)
def test_v1_list_is_read_by_pages(route: APIRoute, document: dict[str, Any]) -> None:
    model = route.response_model
    is_page = isinstance(model, type) and issubclass(model, Page)
    assert is_page == (has_list(model) and route.path not in DOCUMENTS_WITH_LISTS)
    operation = document["paths"][PREFIX + route.path]["get"]
    parameters = {one["name"]: one for one in operation.get("parameters", ())}
    assert is_page == ({"limit", "cursor"} <= parameters.keys())
    if is_page:
        limit = parameters["limit"]["schema"]
        assert limit["minimum"] == 1
        assert limit["default"] <= limit["maximum"]


def test_names_of_before_are_in_no_schema_of_v1(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    versioned = {path: one for path, one in document["paths"].items() if path.startswith(PREFIX)}
    used = set(find_references(document, versioned, set()))
    for schema in used:
        members = set(schemas[schema].get("properties", {}))
        assert members & FORMER_NAMES <= REFERENCES.get(schema, set()), schema


def find_references(document: dict[str, Any], value: object, seen: set[str]) -> Iterator[str]:
    for found in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(value)):
        if found not in seen:
            seen.add(found)
            yield found
            yield from find_references(document, document["components"]["schemas"][found], seen)


def test_every_reference_of_the_document_resolves(document: dict[str, Any]) -> None:
    assert set(find_references(document, document["paths"], set()))
    assert not [one for one in document["components"]["schemas"] if "ValidationError" in one]


def test_every_reference_is_to_a_place_in_the_document(document: dict[str, Any]) -> None:
    references = re.findall(r'"\$ref": "([^"]+)"', json.dumps(document))
    assert references
    for reference in set(references):
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def test_timeline_of_a_render_is_described_by_what_is_returned(document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["RenderLayout"]
    assert schema["properties"].keys() == RenderLayout.model_fields.keys()
    assert "tracks" in document["components"]["schemas"]["TimelineDocument"]["properties"]


def test_two_models_of_one_name_are_refused() -> None:
    schemas: dict[str, object] = {"Clip": {"type": "object"}}
    add_schemas(schemas, {"Clip": {"type": "object"}})
    with pytest.raises(ValueError, match="Two models are named Clip"):
        add_schemas(schemas, {"Clip": {"type": "array"}})


def test_job_details_alone_name_the_celery_task(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    naming = {
        one for one, schema in schemas.items() if "celery_task_id" in schema.get("properties", {})
    }
    assert naming == {"JobDetails", "JobStatus", "FormerJobStatus"}


def test_upload_form_has_no_null_fields(document: dict[str, Any]) -> None:
    for path in ("/upload", f"{PREFIX}/upload"):
        body = document["paths"][path]["post"]["requestBody"]["content"]["multipart/form-data"]
        properties = body["schema"]["properties"]
        assert "null" not in json.dumps(properties)
        assert (properties["priority"]["minimum"], properties["priority"]["maximum"]) == (0, 10)
        assert properties["thumbnail_seconds"]["type"] == "number"


def test_every_creation_declares_its_location(document: dict[str, Any]) -> None:
    found = [
        one["responses"][status]
        for methods in document["paths"].values()
        for one in methods.values()
        for status in ("201", "202")
        if status in one["responses"]
    ]
    assert len(found) > 8
    assert all("Location" in one["headers"] for one in found)


def test_what_caches_keep_is_declared(document: dict[str, Any]) -> None:
    paths = document["paths"]
    for path in ("/jobs", "/assets/{asset_id}/files/{kind}"):
        assert "304" in paths[PREFIX + path]["get"]["responses"]
    never = ("/health", "/logs", "/jobs/{job_id}/events", "/analyses/{analysis_id}/report.html")
    for path in never:
        assert "304" not in paths[PREFIX + path]["get"]["responses"]


def test_media_types_of_files_are_declared(document: dict[str, Any]) -> None:
    made = {*ENCODED.values(), *STREAMED.values(), *(one.media_type for one in CAPTIONS)}
    made |= {"application/octet-stream", "image/jpeg", "audio/flac", "audio/mp4"}
    path = f"{PREFIX}/assets/{{asset_id}}/files/{{kind}}"
    responses = document["paths"][path]["get"]["responses"]
    for status in ("200", "206"):
        assert {one.partition(";")[0] for one in made} <= set(responses[status]["content"])


def test_unversioned_routes_are_those_of_v1_and_of_contracts() -> None:
    versioned = {(route.path, method) for route in list_routes() for method in route.methods or ()}
    unversioned = {
        (route.path, method)
        for router in UNVERSIONED_ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    contract = {
        ("/task/{task_id}", "GET"),
        ("/task/{task_id}/result", "GET"),
        ("/task/{task_id}/cleanup", "POST"),
        ("/metrics", "GET"),
    }
    assert unversioned - versioned == contract
    assert versioned - unversioned == {
        ("/dead/messages", "GET"),
        ("/jobs/{job_id}/steps", "GET"),
        ("/assets/{asset_id}/files", "GET"),
        ("/assets/{asset_id}", "DELETE"),
        ("/assets/{asset_id}/restore", "POST"),
        ("/health", "GET"),
        ("/models/{name}/fetch", "POST"),
        ("/search", "GET"),
        ("/search", "POST"),
        ("/search/pictures", "GET"),
        ("/search/pictures", "POST"),
        ("/assets/{asset_id}/similar", "GET"),
        ("/assets/{asset_id}/ingestions", "GET"),
        ("/assets/{asset_id}/ingestions", "POST"),
        ("/ask", "POST"),
        ("/conversations", "GET"),
        ("/conversations/{conversation_id}", "GET"),
        ("/conversations/{conversation_id}", "DELETE"),
        ("/entities", "GET"),
        ("/entities/{entity_id}", "GET"),
        ("/assets/{asset_id}/findings", "GET"),
        ("/assets/{asset_id}/scenes", "GET"),
        ("/assets/{asset_id}/chapters", "GET"),
        ("/assets/{asset_id}/chapters.vtt", "GET"),
        ("/collections", "GET"),
        ("/entities/{entity_id}/evidence", "GET"),
        ("/analyses", "GET"),
        ("/analyses", "POST"),
        ("/analyses/{analysis_id}", "GET"),
        ("/analyses/{analysis_id}/frames", "GET"),
        ("/analyses/{analysis_id}/regions", "GET"),
        ("/analyses/{analysis_id}/report.html", "GET"),
        ("/analyses/{analysis_id}/report.json", "GET"),
        ("/analyses/{analysis_id}/reviews", "GET"),
        ("/analyses/{analysis_id}/reviews", "POST"),
        ("/assets/{asset_id}/analyses", "GET"),
        ("/assets/{asset_id}/analyses", "POST"),
        ("/reviews", "GET"),
    }


def test_only_contract_paths_are_documented_without_a_version(document: dict[str, Any]) -> None:
    assert {path for path in document["paths"] if not path.startswith(PREFIX)} == {
        "/upload",
        "/task/{task_id}",
        "/task/{task_id}/result",
        "/task/{task_id}/cleanup",
        "/jobs/{job_id}/status",
        "/health",
        "/logs",
        "/debug",
        "/metrics",
    }


def test_job_status_of_the_contract_is_described_with_its_former_names(
    document: dict[str, Any],
) -> None:
    responses = document["paths"]["/jobs/{job_id}/status"]["get"]["responses"]
    schema = responses["200"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/FormerJobStatus"}
    job, step = (
        document["components"]["schemas"][one] for one in ("FormerJobStatus", "FormerStep")
    )
    assert job["properties"].keys() >= {"id", "job_id", "task_id", "state", "failure", "steps"}
    assert job["properties"]["steps"]["items"] == {"$ref": "#/components/schemas/FormerStep"}
    assert step["properties"].keys() >= {"id", "step_id"}


def test_no_endpoint_of_v1_is_annotated_with_an_open_dictionary() -> None:
    for route in list_routes():
        annotation = route.endpoint.__annotations__["return"]
        assert "dict" not in str(annotation), route.path
