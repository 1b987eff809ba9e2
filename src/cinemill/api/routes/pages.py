"""The page and its files. It talks to the same doors as any script."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, RedirectResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

import cinemill

FOLDER = Path(cinemill.__file__).parent / "web"
# Looked at anew each time (an answer of 304 costs nothing): an upgrade must not mix two pages.
_HEADERS = {"Cache-Control": "no-cache"}

router = APIRouter(include_in_schema=False)


def install(app: FastAPI) -> None:
    """Add the page, its files and the list of doors."""
    app.include_router(router)
    app.mount("/static", _Files(directory=FOLDER), name="static")


def sign_in_page() -> Response:
    """For people who came without the token."""
    return FileResponse(FOLDER / "signin.html", status_code=401, headers=_HEADERS)


@router.get("/")
def read_index() -> FileResponse:
    return FileResponse(FOLDER / "index.html", headers=_HEADERS)


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
