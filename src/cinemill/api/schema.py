"""The OpenAPI document: what FastAPI writes of the routes, with the parameters of every kind."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from cinemill.catalog import COMPOSITION
from cinemill.core.parameters import Parameters
from cinemill.steps.package_code import describe, no_exit
from cinemill.telemetry import get_logger

REFERENCE = "#/components/schemas/"
JOB_REQUESTS = ("CreateJobRequest", "NewJob")
"""Bodies that name a kind of job, and its parameters."""
LARGEST_SCHEMA_BYTES = 256 * 1024
"""Of one kind of job of a package."""

log = get_logger(__name__)


class Application(FastAPI):
    """FastAPI, whose document describes the parameters of jobs by their models."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            schemas = document["components"]["schemas"]
            schemas |= describe_parameters()
            for name in JOB_REQUESTS:
                schemas[name]["properties"] |= describe_request()
            for routes in getattr(self.state, "route_documents", ()):
                document["paths"] |= routes["paths"]
                schemas |= routes["schemas"]
            self.openapi_schema = document
        return self.openapi_schema


def describe_parameters() -> dict[str, Any]:
    """Return the schemas of what kinds of job take, by the names of their models.

    Those of packages are named ``CAPABILITY.Model``, so that they replace none of ours.
    """
    models = {kind.parameters for one in COMPOSITION.built_in for kind in one.jobs}
    found = _describe_models(models, REFERENCE)
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


def _describe_models(models: Collection[type[Parameters]], reference: str) -> dict[str, Any]:
    ordered = sorted(models, key=lambda model: model.__name__)
    _, document = models_json_schema(
        [(model, "validation") for model in ordered], ref_template=f"{reference}{{model}}"
    )
    found: dict[str, Any] = document["$defs"]
    return found


def _describe_model(model: type[Parameters], prefix: str) -> dict[str, Any]:
    """Return the schemas of a package's model; those of any object where it has none, or one that
    is too large to be sent to every reader of the document."""
    name = model.__name__
    try:
        with no_exit():
            found = _describe_models([model], f"{REFERENCE}{prefix}")
            size_bytes = len(json.dumps(found))
        if name in found and size_bytes <= LARGEST_SCHEMA_BYTES:
            return found
        why = f"it takes {size_bytes} bytes"
    except Exception as error:  # noqa: BLE001 - it is a package's model
        why = describe(error)
    log.warning("a package's parameters have no schema", model=name, why=why)
    return {name: {"title": name, "type": "object"}}
