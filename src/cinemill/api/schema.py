"""The OpenAPI document: what FastAPI writes of the routes, with the parameters of every kind."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, MutableMapping
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from cinemill.api.models.analyses import AnalysisEvent
from cinemill.api.models.captions import CaptionsUpdate
from cinemill.api.models.jobs import CreateJobRequest, ProgressDocument
from cinemill.api.models.problems import Problem, problems
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
_FRAMEWORK_ERRORS = ("HTTPValidationError", "ValidationError")
"""FastAPI adds its own to every route with a parameter; what is sent is a problem document."""
LARGEST_SCHEMA_BYTES = 256 * 1024
"""Of one kind of job of a package."""

log = get_logger(__name__)


class Application(FastAPI):
    """FastAPI, whose document describes the parameters of jobs by their models."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            schemas = document["components"]["schemas"]
            replace_framework_errors(document)
            add_schemas(schemas, describe_models(DOCUMENTS))
            add_schemas(schemas, describe_parameters())
            schemas[CreateJobRequest.__name__]["properties"] |= describe_request()
            for routes in getattr(self.state, "route_documents", ()):
                document["paths"] |= routes["paths"]
                schemas |= routes["schemas"]
            self.openapi_schema = document
        return self.openapi_schema


def add_schemas(schemas: MutableMapping[str, object], found: Mapping[str, object]) -> None:
    """Add schemas by name. Raises ValueError where two models have the same name."""
    for name, schema in found.items():
        if schemas.setdefault(name, schema) != schema:
            raise ValueError(f"Two models are named {name}; OpenAPI can describe one of them.")


def replace_framework_errors(document: dict[str, Any]) -> None:
    """Declare our problem documents where FastAPI declares its own errors, which are never sent.

    Every route with a parameter refuses one that does not fit.
    """
    reference = {"$ref": f"{REFERENCE}{_FRAMEWORK_ERRORS[0]}"}
    for operation in _list_operations(document):
        declared = operation["responses"].get("422", {}).get("content", {})
        if declared.get("application/json", {}).get("schema") == reference:
            operation["responses"] |= {"422": problems(422)[422]}
    for name in _FRAMEWORK_ERRORS:
        document["components"]["schemas"].pop(name, None)


def _list_operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from path.values()


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
