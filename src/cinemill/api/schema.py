"""The OpenAPI document: what FastAPI writes of the routes, with the parameters of every kind."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, MutableMapping
from typing import Any, TypedDict, cast

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from cinemill.api.health_paths import HEALTH_PATHS
from cinemill.api.middleware.cache_rules import SECRET_PATHS
from cinemill.api.models.analyses import AnalysisEvent
from cinemill.api.models.captions import CaptionsUpdate
from cinemill.api.models.documents import PREFIX
from cinemill.api.models.jobs import CreateJobRequest, ProgressDocument
from cinemill.api.models.problems import (
    EVENT_STREAM,
    NOT_MODIFIED,
    SIGN_IN,
    WITH_TOKEN,
    WITHOUT_TOKEN,
    Problem,
    problems,
)
from cinemill.api.models.search.searches import (
    CitationsEventDocument,
    DeltaEventDocument,
    DoneEventDocument,
    RetrievalEventDocument,
    RewritingEventDocument,
)
from cinemill.catalog import COMPOSITION
from cinemill.steps.package_code import describe, no_exit
from cinemill.telemetry import get_logger

REFERENCE = "#/components/schemas/"
DOCUMENTS: tuple[type[BaseModel], ...] = (
    AnalysisEvent,
    CaptionsUpdate,
    CitationsEventDocument,
    DeltaEventDocument,
    DoneEventDocument,
    Problem,
    ProgressDocument,
    RetrievalEventDocument,
    RewritingEventDocument,
)
"""Described though no route names them: events, and what is read by hand."""
_NEVER_KEPT = (f"{PREFIX}/analyses/{{analysis_id}}/report.html",)
"""Besides what is secret: it shows people's faces."""
_FRAMEWORK_ERRORS = ("HTTPValidationError", "ValidationError")
"""FastAPI adds its own to every route with a parameter; what is sent is a problem document."""
LARGEST_SCHEMA_BYTES = 256 * 1024
"""Of one kind of job of a package."""

log = get_logger(__name__)


class Operation(TypedDict):
    """What these functions read of an operation of the document."""

    responses: dict[str, dict[str, Any]]


class OpenApi(TypedDict):
    """What these functions read of the document."""

    paths: dict[str, dict[str, Operation]]
    """Operations by path and method."""
    components: dict[str, dict[str, Any]]


class Application(FastAPI):
    """FastAPI, whose document describes the parameters of jobs by their models."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            schemas = document["components"]["schemas"]
            add_schemas(schemas, describe_models(DOCUMENTS))
            add_schemas(schemas, describe_parameters())
            schemas[CreateJobRequest.__name__]["properties"] |= describe_request()
            for routes in getattr(self.state, "route_documents", ()):
                document["paths"] |= routes["paths"]
                schemas |= routes["schemas"]
            replace_framework_errors(cast("OpenApi", document))
            declare_common_answers(cast("OpenApi", document))
            self.openapi_schema = document
        return self.openapi_schema


def add_schemas(schemas: MutableMapping[str, object], found: Mapping[str, object]) -> None:
    """Add schemas by name. Raises ValueError where two models have the same name."""
    for name, schema in found.items():
        if schemas.setdefault(name, schema) != schema:
            raise ValueError(f"Two models are named {name}; OpenAPI can describe one of them.")


def replace_framework_errors(document: OpenApi) -> None:
    """Declare our problem documents where FastAPI declares its own errors, which are never sent.

    Every route with a parameter refuses one that does not fit.
    """
    for _, _, operation in _list_operations(document):
        declared = operation["responses"].get("422", {}).get("content", {})
        reference = declared.get("application/json", {}).get("schema", {}).get("$ref", "")
        if reference.endswith(_FRAMEWORK_ERRORS[0]):
            operation["responses"] |= {"422": problems(422)[422]}
    schemas = document["components"]["schemas"]
    own = {one for one in schemas if one.rpartition(".")[2] in _FRAMEWORK_ERRORS}
    others = [schema for name, schema in schemas.items() if name not in own]
    used = json.dumps([document["paths"], others])
    for name in own:
        # A model of a package may have the same name.
        if f'"{REFERENCE}{name}"' not in used:
            del schemas[name]


def declare_common_answers(document: OpenApi) -> None:
    """Declare what any route may answer: what the layers around all of them send.

    Below ``/api/v1``, a parameter that is unknown is refused. A client that has what caches may
    keep is told so. A browser without a token gets the page to sign in.
    """
    for path, method, operation in _list_operations(document):
        responses = operation["responses"]
        for status, response in (WITHOUT_TOKEN if path in HEALTH_PATHS else WITH_TOKEN).items():
            responses.setdefault(str(status), response)
        if path.startswith(f"{PREFIX}/"):
            responses.setdefault("422", problems(422)[422])
        if method == "get" and _may_be_kept(path, responses.get("200", {}).get("content", {})):
            responses.setdefault("304", NOT_MODIFIED[304])
        if method == "get" and path not in HEALTH_PATHS:
            refused = responses["401"]
            responses["401"] = {**refused, "content": {**refused["content"], **SIGN_IN}}
        operation["responses"] = dict(sorted(responses.items()))


def _may_be_kept(path: str, sent: Collection[str]) -> bool:
    """Return whether caches may keep what is sent from this path in these media types."""
    return path not in (*SECRET_PATHS, *_NEVER_KEPT) and EVENT_STREAM not in sent


def _list_operations(document: OpenApi) -> Iterator[tuple[str, str, Operation]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def describe_parameters() -> dict[str, Any]:
    """Return the schemas of what kinds of job take, by the names of their models.

    Those of packages are named ``CAPABILITY.Model``, so that they replace none of ours.
    """
    found = describe_models({kind.parameters for one in COMPOSITION.built_in for kind in one.jobs})
    for installed in COMPOSITION.installed:
        prefix = f"{installed.capability.name}."
        for kind in installed.capability.jobs:
            schemas = _describe_model(kind.parameters, prefix)
            found |= {f"{prefix}{name}": schema for name, schema in schemas.items()}
    return found


def describe_request() -> dict[str, Any]:
    """Return the members of a request for a job: its kind, and the parameters of that kind."""
    names = {
        kind.name: kind.parameters.__name__ for one in COMPOSITION.built_in for kind in one.jobs
    }
    for one in COMPOSITION.installed:
        own = one.capability
        names |= {kind.name: f"{own.name}.{kind.parameters.__name__}" for kind in own.jobs}
    listed = ", ".join(f"{kind}: {model}" for kind, model in names.items())
    return {
        "kind": {"title": "Kind", "type": "string", "enum": sorted(names)},
        "params": {
            "title": "Params",
            "description": f"Parameters of the job; their schema depends on its kind ({listed}).",
            "anyOf": [{"$ref": f"{REFERENCE}{model}"} for model in sorted(set(names.values()))],
        },
    }


def describe_models(
    models: Collection[type[BaseModel]], reference: str = REFERENCE
) -> dict[str, Any]:
    """Return the schemas of these models and of those that they hold, by name."""
    ordered = sorted(models, key=lambda model: model.__name__)
    _, document = models_json_schema(
        [(model, "validation") for model in ordered], ref_template=f"{reference}{{model}}"
    )
    found: dict[str, Any] = document["$defs"]
    return found


def _describe_model(model: type[BaseModel], prefix: str) -> dict[str, Any]:
    """Return the schemas of a package's model.

    A model without a schema, or with one that is too large to send to every reader of the document,
    is described as any object.
    """
    name = model.__name__
    try:
        with no_exit():
            found = describe_models([model], f"{REFERENCE}{prefix}")
            size_bytes = len(json.dumps(found))
        if name in found and size_bytes <= LARGEST_SCHEMA_BYTES:
            return found
        is_large = size_bytes > LARGEST_SCHEMA_BYTES
        why = f"it takes {size_bytes} bytes" if is_large else f"there is none named {name}"
    except Exception as error:  # noqa: BLE001 - it is a package's model
        why = describe(error)
    log.warning("a package's parameters have no schema", model=name, why=why)
    return {name: {"title": name, "type": "object"}}
