"""Searches by pictures: moments that look like another, like a picture, or as words say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import BoundedSemaphore
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from cinemill.api.bounded_threads import SearchBusy
from cinemill.api.http.bodies import BoundedRoute, body_at_most
from cinemill.api.models.problems import problems
from cinemill.api.models.search.pictures import (
    LikenessQuery,
    PictureQuery,
    PictureSearchDocument,
    WordsQuery,
)
from cinemill.api.owned_assets import get_owned_asset
from cinemill.api.state import AppState, StateDep
from cinemill.core.job import DEFAULT_OWNER
from cinemill.core.text.storable_text import Text
from cinemill.inference.models.cards import MODELS_FOLDER
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import detect_sandbox
from cinemill.media.stills.limits import MOST_BYTES

router = APIRouter(tags=["search"], route_class=BoundedRoute)

PICTURE_WIDTH_PX = 448
PICTURE_PIXELS = 448 * 448
"""Of what is kept of a picture that was sent: models take 224 × 224 to 336 × 336."""
AT_ONCE = 4
"""Searches that run a model. More of them would keep the other routes waiting for threads."""
_slots = BoundedSemaphore(AT_ONCE)


@router.get("/assets/{asset_id}/similar", responses=problems(404, 409, 422))
def find_similar(
    asset_id: Text, query: Annotated[LikenessQuery, Query()], state: StateDep
) -> PictureSearchDocument:
    """Find moments that are like this video's at `time`, in all videos; itself is left out."""
    # These load NumPy, which a server whose pictures nobody searches can do without.
    from cinemill.capabilities.search.similar_pictures import find_similar_moments

    get_owned_asset(state, asset_id)
    found = find_similar_moments(
        state.database,
        query.scope(DEFAULT_OWNER),
        asset_id,
        round(query.time * 1000),
        space=query.by.space,
        filters=query.filters,
        limit=query.limit,
        index=state.search.open_index(),
    )
    return PictureSearchDocument.from_moments(found)


async def read_body(request: Request) -> bytes:
    """Return the body, which the route bounds."""
    return await request.body()


@router.post(
    "/search/pictures",
    responses=problems(409, 413, 422, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                media_type: {"schema": {"type": "string", "format": "binary"}}
                for media_type in ("image/jpeg", "image/png")
            },
        }
    },
)
@body_at_most(MOST_BYTES)
def search_by_picture(
    content: Annotated[bytes, Depends(read_body)],
    query: Annotated[PictureQuery, Query()],
    state: StateDep,
) -> PictureSearchDocument:
    """Find moments that look like a picture: a JPEG or PNG file of at most 16 MiB as the body.

    It is not kept.
    """
    from cinemill.capabilities.search.similar_pictures import find_similar_pictures
    from cinemill.media.stills.read import read_picture

    with _take_slot():
        picture = read_picture(
            content,
            limits=Limits(max_pixels=state.settings.max_pixels),
            max_width=PICTURE_WIDTH_PX,
            max_pixels=PICTURE_PIXELS,
            sandbox=detect_sandbox(state.settings.sandbox),
        )
        found = find_similar_pictures(
            state.database,
            query.scope(DEFAULT_OWNER),
            picture,
            models_dir=_models_dir(state),
            filters=query.filters,
            limit=query.limit,
            index=state.search.open_index(),
        )
    return PictureSearchDocument.from_moments(found)


@router.get("/search/pictures", responses=problems(409, 422, 503))
def search_pictures_by_words(
    query: Annotated[WordsQuery, Query()], state: StateDep
) -> PictureSearchDocument:
    """Find moments that show what words say, where the model of pictures understands words."""
    from cinemill.capabilities.search.similar_pictures import find_pictures_by_words

    with _take_slot():
        found = find_pictures_by_words(
            state.database,
            query.scope(DEFAULT_OWNER),
            query.q,
            models_dir=_models_dir(state),
            filters=query.filters,
            limit=query.limit,
            index=state.search.open_index(),
        )
    return PictureSearchDocument.from_moments(found)


@contextmanager
def _take_slot() -> Iterator[None]:
    if not _slots.acquire(blocking=False):
        raise SearchBusy("Too many searches by pictures are under way.")
    try:
        yield
    finally:
        _slots.release()


def _models_dir(state: AppState) -> Path:
    return state.settings.home / MODELS_FOLDER
