"""Paths and names from before ``/api/v1``, which are served as well until version 1.0.

Each route runs the endpoint of ``/api/v1`` and returns its document with the former names next to
the present ones, and with addresses that are unversioned too. None is in the OpenAPI document but
``/jobs/{job_id}/status``, which is part of a contract and stays.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import singledispatch, wraps
from inspect import Signature, signature
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from pydantic import ConfigDict, RootModel

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.models.assets import AssetDetails, AssetDocument, AssetPage
from cinemill.api.models.captions import CaptionSetDocument, CaptionSetPage
from cinemill.api.models.dead_letters import DeadMessageDocument, DeadStepDocument
from cinemill.api.models.documents import Document, OpenObject, RequestDocument, drop_version
from cinemill.api.models.jobs import (
    ErrorDocument,
    JobDocument,
    JobPage,
    JobStatus,
    StepDocument,
)
from cinemill.api.models.operations import StatsDocument
from cinemill.api.models.pages import PageLimit
from cinemill.api.models.problems import Responses, problems
from cinemill.api.models.timelines import RenderLayout
from cinemill.api.routes import assets, captions, dead_letters, events, jobs, stats, timelines
from cinemill.api.state import StateDep
from cinemill.core.documents import JsonObject
from cinemill.core.text.storable_text import Text

router = APIRouter(route_class=BoundedRoute)
_SHARED = frozenset({("GET", "/assets/{asset_id}")})
"""Addresses that a page has as well, for who asks for HTML."""

_CONTRACT_PATHS = frozenset({"/jobs/{job_id}/status"})
_CAPTIONS_PATH = "/assets/{asset_id}/captions"
_REPLACED = frozenset(
    {
        ("GET", "/dead"),
        ("GET", "/dead/messages"),
        ("GET", "/jobs/{job_id}/events"),
        ("GET", "/jobs/{job_id}/steps"),
        ("GET", "/assets/{asset_id}/files"),
        ("DELETE", "/assets/{asset_id}"),
        ("POST", "/assets/{asset_id}/restore"),
        ("GET", _CAPTIONS_PATH),
        ("GET", f"{_CAPTIONS_PATH}/{{language}}"),
    }
)
"""Newer than ``/api/v1`` and so not served here, or with documents that are put together below."""


class FormerDocument(RootModel[OpenObject]):
    """A document with former names next to those of `/api/v1`."""


class FormerStep(StepDocument):
    """One step of a job, with its former name for `id` as well."""

    step_id: str


class FormerJobStatus(JobStatus):
    """A job with its steps, with the former names for `id`, `status` and `error` as well."""

    job_id: str
    task_id: str
    state: str
    failure: ErrorDocument | None
    steps: list[FormerStep]  # type: ignore[assignment]  # each is a step with one more name


CONTRACT_RESPONSES: Responses = {200: {"model": FormerJobStatus}, **problems(404)}


class DeadLetters(Document):
    """All dead letters."""

    dead: list[OpenObject]
    messages: list[OpenObject]


@router.get("/dead", include_in_schema=False)
def list_dead_letters(state: StateDep, limit: PageLimit = 100) -> DeadLetters:
    steps = dead_letters.list_dead(state, limit).dead
    messages = dead_letters.list_messages(state, limit).messages
    return DeadLetters(
        dead=[add_former_names(step) for step in steps],
        messages=[add_former_names(message) for message in messages],
    )


@router.get(_CAPTIONS_PATH, include_in_schema=False)
def list_captions(asset_id: Text, state: StateDep) -> FormerDocument:
    """List all of them: older clients do not page."""
    page = captions.list_captions(asset_id, state, limit=sys.maxsize)
    return FormerDocument(add_former_names(page))


@router.get(f"{_CAPTIONS_PATH}/{{language}}", include_in_schema=False)
def read_captions(
    asset_id: Text, language: captions.Language, state: StateDep, response: Response
) -> FormerDocument:
    """Return all of them: older clients do not page."""
    page = captions.read_captions(asset_id, language, state, response, limit=sys.maxsize)
    return FormerDocument(add_former_names(page))


@router.get("/jobs/{job_id}/events", include_in_schema=False, response_class=StreamingResponse)
async def follow_job(
    job_id: Text, request: Request, state: StateDep, last_event_id: Annotated[Text, Header()] = ""
) -> StreamingResponse:
    return await events.open_stream(request, state, job_id, last_event_id, _describe_progress)


def _describe_progress(progress: JsonObject) -> JsonObject:
    """Return an event's data as it is. Raises KeyError where it does not say the status."""
    return {**progress, "status": progress["status"]}


@singledispatch
def add_former_names(document: Document) -> OpenObject:
    """Return a document's JSON values under its former names as well."""
    return document.model_dump(mode="json", exclude_unset=True)


@add_former_names.register
def _(document: JobDocument) -> OpenObject:
    job = document.model_dump(mode="json", exclude_unset=True)
    ids = dict.fromkeys(("job_id", "task_id", "celery_task_id"), job["id"])
    return {**ids, "state": job["status"], "failure": job["error"], **job}


@add_former_names.register
def _(document: JobStatus) -> OpenObject:
    job = add_former_names.dispatch(JobDocument)(document)
    return {**job, "steps": [{"step_id": step.id, **step.model_dump()} for step in document.steps]}


@add_former_names.register
def _(document: JobPage) -> OpenObject:
    # The parameter `before` takes the id of a job.
    last = document.jobs[-1].id if document.next is not None else None
    return {"jobs": [add_former_names(job) for job in document.jobs], "next": last}


@add_former_names.register
def _(document: AssetDocument) -> OpenObject:
    return _strip_prefix(document.model_dump(mode="json"), "source_url")


@add_former_names.register
def _(document: AssetDetails) -> OpenObject:
    files = [_strip_prefix(one.model_dump(mode="json"), "url") for one in document.artifacts]
    return {**add_former_names.dispatch(AssetDocument)(document), "artifacts": files}


@add_former_names.register
def _(document: AssetPage) -> OpenObject:
    return {"assets": [add_former_names(one) for one in document.assets], "next": document.next}


@add_former_names.register
def _(document: CaptionSetDocument) -> OpenObject:
    values = document.model_dump(mode="json")
    files = {name: _strip_prefix(file, "url") for name, file in values["files"].items()}
    return {**values, "files": files}


@add_former_names.register
def _(document: CaptionSetPage) -> OpenObject:
    shown = [add_former_names(one) for one in document.captions]
    return {"captions": shown, "next": document.next}


@add_former_names.register
def _(document: DeadStepDocument) -> OpenObject:
    values = document.model_dump()
    return {"step_id": values["id"], "failure": values["error"], **values}


@add_former_names.register
def _(document: DeadMessageDocument) -> OpenObject:
    values = document.model_dump()
    return {"failure": values["error"], **values}


@add_former_names.register
def _(document: RenderLayout) -> OpenObject:
    values = document.model_dump()
    pieces = [{"state": piece["status"], **piece} for piece in values["pieces"]]
    return {**values, "pieces": pieces}


@add_former_names.register
def _(document: StatsDocument) -> OpenObject:
    values = document.model_dump(mode="json")
    offers = [{"state": offer["status"], **offer} for offer in values["hardware"]]
    stuck = [add_former_names(job) for job in document.stuck]
    return {**values, "hardware": offers, "stuck": stuck}


def _strip_prefix(values: dict[str, Any], name: str) -> OpenObject:
    return {**values, name: drop_version(str(values[name]))}


def _copy_routes(routers: Iterable[APIRouter]) -> None:
    for source in routers:
        for route in source.routes:
            if isinstance(route, APIRoute) and not _REPLACED & _list_operations(route):
                _copy_route(route)


def _list_operations(route: APIRoute) -> set[tuple[str, str]]:
    return {(method, route.path) for method in route.methods or ()}


def _copy_route(route: APIRoute) -> None:
    has_document = route.response_model is not None
    is_contract = route.path in _CONTRACT_PATHS
    router.add_api_route(
        route.path,
        _wrap(route.endpoint) if has_document else route.endpoint,
        methods=sorted(route.methods or ()),
        response_model=FormerDocument if has_document else None,
        response_class=route.response_class,
        dependencies=[Depends(_vary)] if _list_operations(route) & _SHARED else None,
        status_code=200 if has_document else route.status_code,
        tags=route.tags,
        include_in_schema=is_contract,
        responses=CONTRACT_RESPONSES if is_contract else None,
    )


def _vary(response: Response) -> None:
    """Say that browsers get another answer from this address."""
    response.headers["Vary"] = "Accept"


def _wrap(endpoint: Callable[..., Any]) -> Callable[..., FormerDocument]:
    @wraps(endpoint)
    def respond(*args: Any, **kwargs: Any) -> FormerDocument:
        document = FormerDocument(add_former_names(endpoint(*args, **kwargs)))
        headers = getattr(kwargs.get("response"), "headers", {})
        if "location" in headers:
            headers["location"] = drop_version(headers["location"])
        return document

    respond.__signature__ = _accept_any_member(endpoint)  # type: ignore[attr-defined]
    return respond


def _accept_any_member(endpoint: Callable[..., Any]) -> Signature:
    """Return a signature whose bodies may have unknown members, as they always could here."""
    hints = get_type_hints(endpoint, include_extras=True)
    named = signature(endpoint).parameters.values()
    return Signature([one.replace(annotation=_relax(hints[one.name])) for one in named])


def _relax(annotation: Any) -> Any:
    if get_origin(annotation) is UnionType:
        return Union[tuple(_relax(one) for one in get_args(annotation))]  # noqa: UP007
    if isinstance(annotation, type) and issubclass(annotation, RequestDocument):
        members = {"model_config": ConfigDict(extra="ignore"), "__module__": __name__}
        return type(annotation.__name__, (annotation,), members)
    return annotation


_copy_routes(module.router for module in (jobs, dead_letters, timelines, assets, captions, stats))
