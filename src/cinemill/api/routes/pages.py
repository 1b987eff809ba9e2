"""The page and its files. It uses the same API as any script."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, RedirectResponse
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Match
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

import cinemill

FOLDER = Path(cinemill.__file__).parent / "web"
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
    return FileResponse(FOLDER / "signin.html", status_code=401, headers=_HEADERS)


@router.get("/")
def read_index() -> FileResponse:
    return FileResponse(FOLDER / "index.html", headers=_HEADERS)


@_browser_router.get("/assets/{asset_id}")
def read_asset_page(asset_id: str) -> FileResponse:
    """Return the page of any video; its script reports one that does not exist."""
    return FileResponse(FOLDER / "asset.html", headers={**_HEADERS, "Vary": "Accept"})


@router.get("/reviews")
def read_review_queue() -> FileResponse:
    return FileResponse(FOLDER / "reviews.html", headers=_HEADERS)


@router.get("/docs")
def read_docs() -> FileResponse:
    return FileResponse(FOLDER / "docs.html", headers=_HEADERS)


@router.get("/favicon.ico")
def read_favicon() -> RedirectResponse:
    return RedirectResponse("/static/mark.svg")


class _Files(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_HEADERS)
        return response
