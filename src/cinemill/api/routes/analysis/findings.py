"""What an analysis found: the scores of its frames, and its suspicious regions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.models.analyses import (
    FrameScoreDocument,
    FrameScorePage,
    RegionDocument,
    RegionPage,
)
from cinemill.api.models.pages import (
    Cursor,
    CursorInvalid,
    PageLimit,
    cut_page,
    decode_cursor,
    decode_index,
    encode_cursor,
)
from cinemill.api.models.problems import problems
from cinemill.api.state import StateDep
from cinemill.core.text.storable_text import Text
from cinemill.storage.analyses import analyses, frame_scores, regions
from cinemill.storage.analyses.records import FramePosition

router = APIRouter(tags=["analyses"], route_class=BoundedRoute)

MOST_ROWS, MOST_MS = 2**31 - 1, 2**63 - 1
"""What the database's columns hold."""


@router.get("/analyses/{analysis_id}/frames", responses=problems(404, 422))
def list_frames(
    analysis_id: Text,
    state: StateDep,
    face: Annotated[
        int | None,
        Query(ge=0, le=MOST_ROWS, description="Number of a face; 0 for frames as a whole."),
    ] = None,
    from_ms: Annotated[int, Query(ge=0, le=MOST_MS)] = 0,
    until_ms: Annotated[int | None, Query(ge=0, le=MOST_MS)] = None,
    limit: PageLimit = 500,
    cursor: Cursor = None,
) -> FrameScorePage:
    """List the scores of an analysis by time, from ``from_ms`` to before ``until_ms``."""
    with state.database.begin() as connection:
        analyses.get_analysis(connection, analysis_id)
        found = frame_scores.list_frame_scores(
            connection,
            analysis_id,
            after=_decode_place(cursor),
            from_ms=from_ms,
            until_ms=until_ms,
            face_number=face,
            limit=limit + 1,
        )
    page, has_more = cut_page(found, limit)
    following = encode_cursor(*(str(part) for part in page[-1].place)) if has_more else None
    return FrameScorePage(
        frames=[FrameScoreDocument.from_record(one.frame) for one in page], next=following
    )


def _decode_place(cursor: str | None) -> FramePosition | None:
    if cursor is None:
        return None
    parts = decode_cursor(cursor, 2)
    if not all(part.isascii() and part.isdecimal() and len(part) < 18 for part in parts):
        raise CursorInvalid("This cursor does not belong to this list.")
    place = FramePosition(int(parts[0]), int(parts[1]))
    if place.position > MOST_ROWS:
        raise CursorInvalid("This cursor does not belong to this list.")
    return place


@router.get("/analyses/{analysis_id}/regions", responses=problems(404, 422))
def list_regions(
    analysis_id: Text, state: StateDep, limit: PageLimit = 500, cursor: Cursor = None
) -> RegionPage:
    """List the ranges of time in which a face looks manipulated.

    A cursor is void once the analysis has found something else, as after a retry.
    """
    with state.database.begin() as connection:
        finished_at = analyses.get_analysis(connection, analysis_id).finished_at
        found = regions.list_regions(connection, analysis_id)
    version = finished_at.isoformat() if finished_at else ""
    first = decode_index(cursor, version)
    page, has_more = cut_page(found[first:], limit)
    return RegionPage(
        regions=[RegionDocument.from_record(one) for one in page],
        next=encode_cursor(version, str(first + limit)) if has_more else None,
    )
