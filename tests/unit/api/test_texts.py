"""Every text that a route takes refuses what PostgreSQL cannot store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, get_args

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from cinemill.api.app import include_own_routers
from cinemill.api.models.captions import CaptionsUpdate
from cinemill.api.upload.options import UploadOptions

UNSTORABLE = ("a\x00b", "\x00", "\ud800", "a\udfffb", "\udfff\ud800")
CHECKED_BELOW = {
    "CreateJobRequest.params",  # core/documents, where the job is planned
    "UploadOptions.params",
    "SearchQuery.q",  # capabilities/search/query, for every entry point
    "AskRequest.question",
    "ReviewRequest.reviewer",  # storage/analyses/reviews
    "ReviewRequest.reason",
}
"""With codes of their own, by functions that other entry points call as well."""


def list_texts() -> Iterator[tuple[str, FieldInfo]]:
    app = FastAPI()
    include_own_routers(app)
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, APIRoute):
            yield from _list_parameters(route.path, route.dependant)
    for model in (CaptionsUpdate, UploadOptions):  # read by hand
        yield from _list_members(model)


def _list_parameters(path: str, dependant: Dependant) -> Iterator[tuple[str, FieldInfo]]:
    groups = ("path_params", "query_params", "header_params", "cookie_params", "body_params")
    for group in groups:
        for one in getattr(dependant, group):
            yield from _list_field(f"{path} {one.name}", one.field_info)
    for each in dependant.dependencies:
        yield from _list_parameters(path, each)


def _list_field(name: str, field: FieldInfo) -> Iterator[tuple[str, FieldInfo]]:
    leaves = set(_list_leaves(field.annotation))
    if str in leaves and name not in CHECKED_BELOW:
        yield name, field
    for model in leaves:
        if isinstance(model, type) and issubclass(model, BaseModel):
            yield from _list_members(model)


def _list_members(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        yield from _list_field(f"{model.__name__}.{name}", field)


def _list_leaves(annotation: Any) -> Iterator[Any]:
    inner = get_args(annotation)
    if not inner:
        yield annotation
    for one in inner:
        yield from _list_leaves(one)


TEXTS = dict(list_texts())


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_a_text_that_cannot_be_stored_is_refused(name: str) -> None:
    field = TEXTS[name]
    taken = TypeAdapter(Annotated[field.annotation, field] if field.metadata else field.annotation)
    for text in UNSTORABLE:
        for value in (text, [text], {text: "a"}, {"a": text}):
            with pytest.raises(ValidationError):
                taken.validate_python(value)


def test_texts_are_found_in_every_place() -> None:
    places = "/jobs/{job_id} job_id", "/jobs kind", "CancelRequest.reason", "SearchQuery.label"
    read_by_hand = "CaptionCue.lines", "UploadOptions.collection"
    assert TEXTS.keys() >= {*places, *read_by_hand}
    assert len(TEXTS) > 60
