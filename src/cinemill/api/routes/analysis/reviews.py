"""What people decide about analyses, and the queue of those that need a decision."""

from __future__ import annotations

from fastapi import APIRouter, Response

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.models.analyses import (
    AnalysisPage,
    ReviewDocument,
    ReviewPage,
    ReviewRequest,
)
from cinemill.api.models.documents import make_link
from cinemill.api.models.pages import (
    Cursor,
    CursorInvalid,
    PageLimit,
    cut_page,
    decode_cursor,
    decode_position,
    encode_cursor,
)
from cinemill.api.models.problems import created, problems
from cinemill.api.routes.analysis.requests import write_page
from cinemill.api.state import StateDep
from cinemill.core.text.storable_text import Text
from cinemill.storage.analyses import analyses, reviews
from cinemill.storage.analyses.records import ReviewAction
from cinemill.storage.database import Connection

router = APIRouter(tags=["analyses"], route_class=BoundedRoute)


@router.get("/reviews", responses=problems(422))
def list_review_queue(
    state: StateDep, limit: PageLimit = 50, cursor: Cursor = None
) -> AnalysisPage:
    """List the analyses that a person should decide about, oldest first."""
    with state.database.begin() as connection:
        found = reviews.list_review_queue(
            connection, after=decode_position(cursor), limit=limit + 1
        )
    return write_page(found, limit)


@router.get("/analyses/{analysis_id}/reviews", responses=problems(404, 422))
def list_reviews(
    analysis_id: Text, state: StateDep, limit: PageLimit = 50, cursor: Cursor = None
) -> ReviewPage:
    """List what people decided about an analysis, oldest first; nothing in it ever changes."""
    after = _decode_review(cursor)
    with state.database.begin() as connection:
        analyses.get_analysis(connection, analysis_id)
        found = reviews.list_reviews(connection, analysis_id, after=after, limit=limit + 1)
    page, has_more = cut_page(found, limit)
    return ReviewPage(
        reviews=[ReviewDocument.from_record(one) for one in page],
        next=encode_cursor(str(page[-1].id)) if has_more else None,
    )


def _decode_review(cursor: str | None) -> int:
    if cursor is None:
        return 0
    (number,) = decode_cursor(cursor, 1)
    if not (number.isascii() and number.isdecimal() and len(number) < 18):
        raise CursorInvalid("This cursor does not belong to this list.")
    return int(number)


@router.post(
    "/analyses/{analysis_id}/reviews",
    status_code=201,
    responses=created("The reviews of the analysis.") | problems(404, 409, 413, 422),
)
def add_review(
    analysis_id: Text, request: ReviewRequest, state: StateDep, response: Response
) -> ReviewDocument:
    """Accept the model's verdict, override it, or flag the analysis for others to look at."""
    with state.database.begin() as connection:
        added = _add(connection, analysis_id, request)
        (review,) = reviews.list_reviews(connection, analysis_id, after=added - 1, limit=1)
    response.headers["Location"] = make_link(f"/analyses/{analysis_id}/reviews")
    return ReviewDocument.from_record(review)


def _add(connection: Connection, analysis_id: str, request: ReviewRequest) -> int:
    person = {"reviewer": request.reviewer, "reason": request.reason}
    if request.action is ReviewAction.FLAG:
        return reviews.flag_analysis(connection, analysis_id, **person)
    if request.action is ReviewAction.ACCEPT:
        return reviews.accept_verdict(connection, analysis_id, **person, seen=request.seen)
    verdict = request.verdict or ""
    return reviews.override_verdict(connection, analysis_id, verdict, **person, seen=request.seen)
