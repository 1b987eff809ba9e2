"""The captions of a film: read by anybody, corrected by a person, never by two at once unseen."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, FailFast, Field, ValidationError

from cinemill.api.http.bodies import BoundedRoute, body_at_most
from cinemill.api.state import AppState, StateDep
from cinemill.capabilities.captions import edit_store
from cinemill.capabilities.captions.caption_files import read_caption_file
from cinemill.capabilities.captions.edits import make_cue
from cinemill.core.text.segmentation import Cue
from cinemill.core.text.subtitle_parser import LARGEST_FILE_BYTES
from cinemill.storage.media import captions
from cinemill.storage.media.assets import get_asset
from cinemill.storage.media.captions import CaptionSet

router = APIRouter(
    prefix="/assets/{asset_id}/captions", tags=["captions"], route_class=BoundedRoute
)

ENTITY_TAG = re.compile(r'(?:W/)?"([^"*]*)"')

FILE_TYPES = ("text/vtt", "application/x-subrip")

Language = Annotated[str, Path(pattern=r"^[a-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$")]
Version = Annotated[str | None, Header(alias="If-Match", max_length=100)]
Moment = Annotated[int, Field(ge=0, strict=True)]


class CaptionCue(BaseModel):
    """Shown from ``start_ms`` up to, not including, ``end_ms``."""

    start_ms: Moment
    end_ms: Moment
    lines: Annotated[list[str], FailFast()]

    def read(self) -> Cue:
        return make_cue(self.start_ms, self.end_ms, "\n".join(self.lines))


class CaptionsUpdate(BaseModel):
    captions: Annotated[list[CaptionCue], FailFast()]
    """Stops at the first wrong one: an error for each of megabytes would take gigabytes."""


@router.get("")
def list_captions(asset_id: str, state: StateDep) -> dict[str, Any]:
    """List the captions in each language: a person's edit, otherwise a model's newest."""
    found = edit_store.list_captions(state.database, asset_id)
    return {"captions": [_describe(found[language]) for language in sorted(found)]}


@router.get("/{language}")
def read_captions(asset_id: str, language: Language, state: StateDep) -> JSONResponse:
    """Return the captions with their times. Send their ETag in ``If-Match`` to change them."""
    return _answer(state, edit_store.get_captions(state.database, asset_id, language))


async def read_body(request: Request) -> bytes:
    """The route bounds it."""
    return await request.body()


def parse_cue(request: Request, content: Annotated[bytes, Depends(read_body)]) -> list[Cue]:
    """What is to be saved: JSON, or a file as editors of subtitles write it.

    Not a coroutine: megabytes are read in a thread, while others are answered.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in FILE_TYPES:
        return list(read_caption_file(content))
    try:
        wish = CaptionsUpdate.model_validate_json(content)
    except ValidationError as error:
        raise RequestValidationError(
            [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
        ) from error
    return [one.read() for one in wish.captions]


@router.put(
    "/{language}",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": CaptionsUpdate.model_json_schema()},
                **{kind: {"schema": {"type": "string"}} for kind in FILE_TYPES},
            },
        }
    },
)
@body_at_most(LARGEST_FILE_BYTES)
def save_captions(
    asset_id: str,
    language: Language,
    cues: Annotated[list[Cue], Depends(parse_cue)],
    state: StateDep,
    version: Version = None,
) -> JSONResponse:
    """Replace the captions whose ETag is sent in ``If-Match``.

    All formats are rewritten; nothing is transcribed again. ``srt_path`` is what a timeline
    can burn in. 412 if someone else saved first, 428 if captions exist
    and ``If-Match`` is missing.
    """
    asset = get_asset(state.database, asset_id)
    desk = edit_store.CaptionStore(state.database, state.files, state.settings.render_dir)
    saved, path = edit_store.correct_captions(desk, asset, language, cues, _bare(version))
    return _answer(state, saved, srt_path=str(path))


@router.delete("/{language}", status_code=204)
def discard_correction(
    asset_id: str, language: Language, state: StateDep, version: Version = None
) -> Response:
    """Discard a person's edit. The model's captions, if any, become current again."""
    edit_store.discard_correction(state.database, asset_id, language, _bare(version))
    return Response(status_code=204)


def _bare(version: str | None) -> str | None:
    """An entity tag without its quotes, or ``*``, which in quotes is a tag that nothing has.

    A proxy that compresses makes a tag a weak one; that is the same here.
    """
    if version is None:
        return None
    said = version.strip()
    tag = ENTITY_TAG.fullmatch(said)
    return tag[1] if tag else said


def _answer(state: AppState, one: CaptionSet, **more: str) -> JSONResponse:
    said = captions.read_caption_document(state.files, one)
    document = {**_describe(one), **more, "captions": said["captions"]}
    headers = {"ETag": f'"{one.version}"', "Cache-Control": "no-cache"}
    return JSONResponse(document, headers=headers)


def _describe(one: CaptionSet) -> dict[str, Any]:
    return {
        "language": one.language,
        "version": one.version,
        "source": edit_store.PERSON if one.is_corrected else "model",
        "model": one.model,
        "variant": one.variant,
        "files": {
            kind.value.removeprefix("captions_"): {
                "url": f"/assets/{one.asset_id}/files/{kind.value}?variant={one.variant}",
                "filename": artifact.filename,
                "size_bytes": artifact.size_bytes,
            }
            for kind, artifact in one.files.items()
        },
    }
