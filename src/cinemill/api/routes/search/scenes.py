"""``GET /assets/{id}/scenes``: what each shot of a video shows, and where it is."""

from __future__ import annotations

from fastapi import APIRouter

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.models.pages import (
    Cursor,
    CursorInvalid,
    PageLimit,
    cut_page,
    decode_cursor,
    encode_cursor,
)
from cinemill.api.models.problems import problems
from cinemill.api.models.search.scenes import ScenePage, VideoSceneDocument
from cinemill.api.owned_assets import get_owned_asset
from cinemill.api.state import StateDep
from cinemill.core.text.storable_text import Text
from cinemill.storage.knowledge.scenes import MOST_SCENES, list_scenes

router = APIRouter(tags=["search"], route_class=BoundedRoute)


@router.get("/assets/{asset_id}/scenes", responses=problems(404, 422))
def list_asset_scenes(
    asset_id: Text, state: StateDep, limit: PageLimit = 50, cursor: Cursor = None
) -> ScenePage:
    """List the scene graphs of a video: the things of each shot, and where they are to each other.

    They are found by an ingestion with the profile `full`.
    """
    get_owned_asset(state, asset_id)
    first = _decode_shot(cursor)
    with state.database.begin() as connection:
        found = list_scenes(connection, asset_id, first=first, limit=limit + 1)
    page, has_more = cut_page(found, limit)
    return ScenePage(
        scenes=[VideoSceneDocument.from_record(one) for one in page],
        next=encode_cursor(str(first + limit)) if has_more else None,
    )


def _decode_shot(cursor: str | None) -> int:
    if cursor is None:
        return 0
    (shot,) = decode_cursor(cursor, 1)
    if not (shot.isascii() and shot.isdecimal() and len(shot) < 9) or int(shot) > MOST_SCENES:
        raise CursorInvalid("This cursor does not belong to this list.")
    return int(shot)
