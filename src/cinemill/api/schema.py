"""The OpenAPI document: what FastAPI writes of the routes, with the parameters of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from cinemill.api.models.jobs import CreateJobRequest, ProgressDocument
from cinemill.api.models.problems import Problem
from cinemill.catalog import JOB_KINDS

REFERENCE = "#/components/schemas/"
_FRAMEWORK_ERRORS = ("HTTPValidationError", "ValidationError")
"""FastAPI adds its own to every route with a parameter; what is sent is a problem document."""


class Application(FastAPI):
    """FastAPI, whose document describes the parameters of jobs by their models."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            schemas = document["components"]["schemas"]
            drop_framework_errors(document)
            schemas |= describe_models([Problem, ProgressDocument])
            schemas |= describe_parameters()
            schemas[CreateJobRequest.__name__]["properties"] |= describe_request()
            self.openapi_schema = document
        return self.openapi_schema


def drop_framework_errors(document: dict[str, Any]) -> None:
    """Remove the responses that FastAPI declares and never sends here."""
    reference = {"$ref": f"{REFERENCE}{_FRAMEWORK_ERRORS[0]}"}
    for operation in _list_operations(document):
        declared = operation["responses"].get("422", {}).get("content", {})
        if declared.get("application/json", {}).get("schema") == reference:
            del operation["responses"]["422"]
    for name in _FRAMEWORK_ERRORS:
        document["components"]["schemas"].pop(name, None)


def _list_operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from path.values()


def describe_parameters() -> dict[str, Any]:
    """Return the schemas of what kinds of job take, by the names of their models."""
    models = {kind.parameters for kind in JOB_KINDS.values()}
    return describe_models(sorted(models, key=lambda model: model.__name__))


def describe_models(models: list[type[BaseModel]]) -> dict[str, Any]:
    """Return the schemas of these models and of those that they hold, by name."""
    _, document = models_json_schema(
        [(model, "validation") for model in models], ref_template=f"{REFERENCE}{{model}}"
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
