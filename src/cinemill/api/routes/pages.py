"""The page and its files. It uses the same API as any script."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, RedirectResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

import cinemill

FOLDER = Path(cinemill.__file__).parent / "web"
# Revalidated each time (a 304 costs nothing): an upgrade must not mix two versions.
_HEADERS = {"Cache-Control": "no-cache"}

router = APIRouter(include_in_schema=False)


def install(app: FastAPI) -> None:
    """Add the page, its files and the list of endpoints."""
    app.include_router(router)
    app.mount("/static", _Files(directory=FOLDER), name="static")


def sign_in_page() -> Response:
    """Return the page for people without a token."""
    return FileResponse(FOLDER / "signin.html", status_code=401, headers=_HEADERS)


@router.get("/")
def read_index() -> FileResponse:
    return FileResponse(FOLDER / "index.html", headers=_HEADERS)


@router.get("/assets/{asset_id}")
def read_asset_page(asset_id: str) -> FileResponse:
    """Return the page of any video; its script reports one that does not exist."""
    return FileResponse(FOLDER / "asset.html", headers=_HEADERS)


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
