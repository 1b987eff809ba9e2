"""The page and its files. It uses the same API as any script."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Match
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from cinemill.api.html_pages import (
    ASSET,
    DOCS,
    ENTITY,
    FOLDER,
    REVIEWS,
    SEARCH,
    SIGN_IN,
    VIDEOS,
    HtmlPage,
    render_page,
)
from cinemill.api.middleware.visits import find_base
from cinemill.core.text.storable_text import Text

# Revalidated each time (a 304 costs nothing): an upgrade must not mix two versions.
_HEADERS = {"Cache-Control": "no-cache"}


class _BrowserRoute(APIRoute):
    """Matches only who asks for HTML: scripts get a document from the same path."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and "text/html" not in Headers(scope=scope).get("accept", ""):
            return Match.NONE, {}
        return super().matches(scope)


router = APIRouter(include_in_schema=False)
_browser_router = APIRouter(include_in_schema=False, route_class=_BrowserRoute)


def install(app: FastAPI) -> None:
    """Add the pages and their files, before routes that share a path with a page."""
    app.include_router(router)
    app.include_router(_browser_router)
    app.mount("/static", _Files(directory=FOLDER), name="static")


def sign_in_page(scope: Scope) -> Response:
    """Return the page for people without a token."""
    return _respond(SIGN_IN, scope, status=401)


@router.get("/")
def read_index(request: Request) -> Response:
    return _respond(VIDEOS, request.scope)


@_browser_router.get("/assets/{asset_id}")
def read_asset_page(asset_id: Text, request: Request) -> Response:
    """Return the page of any video; its script reports one that does not exist."""
    response = _respond(ASSET, request.scope)
    response.headers["Vary"] = "Accept"
    return response


@router.get("/entities/{entity_id}")
def read_entity_page(entity_id: Text, request: Request) -> Response:
    """Return the page of any entity; its script reports one that does not exist."""
    return _respond(ENTITY, request.scope)


@router.get("/reviews")
def read_review_queue(request: Request) -> Response:
    return _respond(REVIEWS, request.scope)


@router.get("/search")
def read_search_page(request: Request) -> Response:
    return _respond(SEARCH, request.scope)


@router.get("/docs")
def read_docs(request: Request) -> Response:
    return _respond(DOCS, request.scope)


@router.get("/favicon.ico")
def read_favicon() -> RedirectResponse:
    return RedirectResponse("./static/mark.svg")


def _respond(page: HtmlPage, scope: Scope, status: int = 200) -> Response:
    return HTMLResponse(render_page(page, base=find_base(scope)), status, headers=_HEADERS)


class _Files(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_HEADERS)
        return response
