"""The page and its files. It uses the same API as any script."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI
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


def sign_in_page() -> Response:
    """Return the page for people without a token."""
    return _respond(SIGN_IN, status=401)


@router.get("/")
def read_index() -> Response:
    return _respond(VIDEOS)


@_browser_router.get("/assets/{asset_id}")
def read_asset_page(asset_id: Text) -> Response:
    """Return the page of any video; its script reports one that does not exist."""
    response = _respond(ASSET)
    response.headers["Vary"] = "Accept"
    return response


@router.get("/entities/{entity_id}")
def read_entity_page(entity_id: Text) -> Response:
    """Return the page of any entity; its script reports one that does not exist."""
    return _respond(ENTITY)


@router.get("/reviews")
def read_review_queue() -> Response:
    return _respond(REVIEWS)


@router.get("/search")
def read_search_page() -> Response:
    return _respond(SEARCH)


@router.get("/docs")
def read_docs() -> Response:
    return _respond(DOCS)


@router.get("/favicon.ico")
def read_favicon() -> RedirectResponse:
    return RedirectResponse("/static/mark.svg")


def _respond(page: HtmlPage, status: int = 200) -> Response:
    return HTMLResponse(render_page(page), status, headers=_HEADERS)


class _Files(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_HEADERS)
        return response
