"""The OpenAPI document: what FastAPI writes of the routes, with the parameters of every kind."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from cinemill.catalog import JOB_KINDS

REFERENCE = "#/components/schemas/"
JOB_REQUESTS = ("CreateJobRequest", "NewJob")
"""Bodies that name a kind of job, and its parameters."""


class Application(FastAPI):
    """FastAPI, whose document describes the parameters of jobs by their models."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            schemas = document["components"]["schemas"]
            schemas |= describe_parameters()
            for name in JOB_REQUESTS:
                schemas[name]["properties"] |= describe_request()
            self.openapi_schema = document
        return self.openapi_schema


def describe_parameters() -> dict[str, Any]:
    """Return the schemas of what kinds of job take, by the names of their models."""
    models = {kind.parameters for kind in JOB_KINDS.values()}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, document = models_json_schema(
        [(model, "validation") for model in ordered], ref_template=f"{REFERENCE}{{model}}"
    )
    found: dict[str, Any] = document["$defs"]
    return found


def describe_request() -> dict[str, Any]:
    """Return the members of a request for a job: its kind, and the parameters of that kind."""
    names = {kind.name: kind.parameters.__name__ for kind in JOB_KINDS.values()}
    listed = ", ".join(f"{kind}: {model}" for kind, model in names.items())
    return {
        "kind": {"title": "Kind", "type": "string", "enum": sorted(names)},
        "params": {
            "title": "Params",
            "description": f"Parameters of the job; their schema depends on its kind ({listed}).",
            "anyOf": [{"$ref": f"{REFERENCE}{model}"} for model in sorted(set(names.values()))],
        },
    }
