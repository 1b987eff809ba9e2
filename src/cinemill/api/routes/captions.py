"""The captions of a video: read by everyone, and edited without overwriting other edits."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ValidationError

from cinemill import __version__
from cinemill.api.http.bodies import BoundedRoute, body_at_most
from cinemill.api.middleware.cache_rules import ASKED_EACH_TIME
from cinemill.api.models.captions import (
    CaptionCuePage,
    CaptionSetDocument,
    CaptionSetPage,
    CaptionsUpdate,
    SavedCaptions,
    ShownCue,
)
from cinemill.api.models.pages import (
    Cursor,
    PageLimit,
    cut_page,
    decode_cursor,
    decode_index,
    encode_cursor,
)
from cinemill.api.models.problems import problems
from cinemill.api.owned_assets import get_owned_asset
from cinemill.api.state import AppState, StateDep
from cinemill.capabilities.captions import edit_store
from cinemill.capabilities.captions.caption_files import read_caption_file
from cinemill.capabilities.captions.edits import MOST_CUES
from cinemill.core.text.segmentation import Cue
from cinemill.core.text.storable_text import Text
from cinemill.core.text.subtitle_parser import LARGEST_FILE_BYTES
from cinemill.storage.media import captions
from cinemill.storage.media.captions import CaptionSet

router = APIRouter(
    prefix="/assets/{asset_id}/captions", tags=["captions"], route_class=BoundedRoute
)

ENTITY_TAG = re.compile(r'(?:W/)?"([^"*]*)"')
PART_MARK = "-"
"""Between the two parts of an ETag: what the captions say, and how they came to say it."""

FILE_TYPES = ("text/vtt", "application/x-subrip")

Language = Annotated[str, Path(pattern=r"^[a-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$")]
Version = Annotated[Text | None, Header(alias="If-Match", max_length=100)]
CueLimit = Annotated[
    int, Query(ge=1, le=MOST_CUES, description="Maximum number of captions in the response.")
]


@router.get("", responses=problems(404, 422))
def list_captions(
    asset_id: Text, state: StateDep, limit: PageLimit = 100, cursor: Cursor = None
) -> CaptionSetPage:
    """List the captions in each language: a person's edit, otherwise a model's newest."""
    last = "" if cursor is None else decode_cursor(cursor, 1)[0]
    get_owned_asset(state, asset_id)
    found = edit_store.list_captions(state.database, asset_id)
    languages, has_more = cut_page(sorted(one for one in found if one > last), limit)
    return CaptionSetPage(
        captions=[CaptionSetDocument.from_set(found[language]) for language in languages],
        next=encode_cursor(languages[-1]) if has_more else None,
    )


@router.get("/{language}", responses=problems(404, 422))
def read_captions(
    asset_id: Text,
    language: Language,
    state: StateDep,
    response: Response,
    limit: CueLimit = MOST_CUES,
    cursor: Cursor = None,
) -> CaptionCuePage:
    """Return the captions with their times. Send their ETag in ``If-Match`` to change them.

    Without ``limit``, all of them are returned: what is saved replaces them all.
    """
    get_owned_asset(state, asset_id)
    one = edit_store.get_captions(state.database, asset_id, language)
    begin = decode_index(cursor, one.version)
    cues = _read_cues(state, one)
    page, has_more = cut_page(cues[begin:], limit)
    following = encode_cursor(one.version, str(begin + limit)) if has_more else None
    _set_headers(response, one)
    described = dict(CaptionSetDocument.from_set(one))
    return CaptionCuePage(**described, captions=page, next=following)


async def read_body(request: Request) -> bytes:
    """Return the body, which the route bounds."""
    return await request.body()


def parse_cue(request: Request, content: Annotated[bytes, Depends(read_body)]) -> list[Cue]:
    """Return the captions to save, from JSON or from a file of a subtitle editor.

    Not a coroutine: megabytes are read in a thread, while other requests are served.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in FILE_TYPES:
        return list(read_caption_file(content))
    try:
        update = CaptionsUpdate.model_validate_json(content)
    except ValidationError as error:
        raise RequestValidationError(
            [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
        ) from error
    return [one.read() for one in update.captions]


@router.put(
    "/{language}",
    responses=problems(404, 409, 412, 413, 422, 428, 507),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/CaptionsUpdate"}},
                **{kind: {"schema": {"type": "string"}} for kind in FILE_TYPES},
            },
        }
    },
)
@body_at_most(LARGEST_FILE_BYTES)
def save_captions(
    asset_id: Text,
    language: Language,
    cues: Annotated[list[Cue], Depends(parse_cue)],
    state: StateDep,
    response: Response,
    version: Version = None,
) -> SavedCaptions:
    """Replace the captions whose ETag is sent in ``If-Match``.

    All formats are rewritten; nothing is transcribed again. ``srt_path`` is what a timeline
    can burn in. Where the video was ingested, searches and answers follow by the job ``job_id``.
    412 if someone else saved first, 428 if captions exist and ``If-Match`` is missing.
    """
    asset = get_owned_asset(state, asset_id)
    edit = edit_store.correct_captions(_open_store(state), asset, language, cues, _bare(version))
    saved = edit.captions
    _set_headers(response, saved)
    described = dict(CaptionSetDocument.from_set(saved))
    return SavedCaptions(
        **described,
        captions=_read_cues(state, saved),
        next=None,
        srt_path=str(edit.srt_path),
        job_id=edit.job_id,
    )


@router.delete("/{language}", status_code=204, responses=problems(404, 409, 412, 422, 428))
def discard_correction(
    asset_id: Text, language: Language, state: StateDep, version: Version = None
) -> Response:
    """Discard a person's edit. The model's captions, if any, become current again.

    Where the video was ingested, searches and answers follow by a job.
    """
    asset = get_owned_asset(state, asset_id)
    edit_store.discard_correction(_open_store(state), asset, language, _bare(version))
    return Response(status_code=204)


def _open_store(state: AppState) -> edit_store.CaptionStore:
    return edit_store.CaptionStore(
        state.database, state.files, state.settings.render_dir, state.jobs
    )


def _bare(version: str | None) -> str | None:
    """Return the version of captions that an entity tag names, or ``*``.

    In quotes, ``*`` is a tag of nothing. Weak or not is the same here.
    """
    if version is None:
        return None
    tag = ENTITY_TAG.fullmatch(version.strip())
    return (tag[1] if tag else version.strip()).partition(PART_MARK)[0]


def _read_cues(state: AppState, one: CaptionSet) -> list[ShownCue]:
    document = captions.read_caption_document(state.files, one)
    return [ShownCue.model_validate(cue) for cue in document["captions"]]


def _set_headers(response: Response, one: CaptionSet) -> None:
    response.headers["ETag"] = _make_tag(one)
    response.headers["Cache-Control"] = ASKED_EACH_TIME


def _make_tag(one: CaptionSet) -> str:
    """Return a tag of the whole document, which begins with the version of the captions.

    The same text may be a model's at one time and a person's at another.
    """
    files = [(kind.value, file.sha256, file.filename) for kind, file in one.files.items()]
    whole = repr((__version__, one.variant, one.model, one.is_corrected, sorted(files)))
    return f'W/"{one.version}{PART_MARK}{hashlib.sha256(whole.encode()).hexdigest()[:16]}"'
