"""``GET /collections``: what searches can be limited to."""

from __future__ import annotations

from fastapi import APIRouter

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.models.pages import Cursor, PageLimit, cut_page, decode_cursor, encode_cursor
from cinemill.api.models.problems import problems
from cinemill.api.models.search.collections import CollectionDocument, CollectionPage
from cinemill.api.state import StateDep
from cinemill.core.job import DEFAULT_OWNER
from cinemill.storage.media.collections import list_collections

router = APIRouter(tags=["search"], route_class=BoundedRoute)


@router.get("/collections", responses=problems(422))
def list_own_collections(
    state: StateDep, limit: PageLimit = 100, cursor: Cursor = None
) -> CollectionPage:
    """List the collections that have videos. A video is moved by `PATCH /assets/{asset_id}`."""
    (after,) = ("",) if cursor is None else decode_cursor(cursor, 1)
    with state.database.begin() as connection:
        found = list_collections(connection, DEFAULT_OWNER, after=after, limit=limit + 1)
    page, has_more = cut_page(found, limit)
    return CollectionPage(
        collections=[CollectionDocument.from_record(one) for one in page],
        next=encode_cursor(page[-1].name) if has_more else None,
    )
