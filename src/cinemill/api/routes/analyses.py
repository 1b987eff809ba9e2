"""Analyses of videos: requested, listed, read in parts, and reviewed by people."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.models.analyses import (
    AnalysisDetails,
    AnalysisDocument,
    AnalysisPage,
    CreateAnalysisRequest,
    FrameScoreDocument,
    FrameScorePage,
    RegionDocument,
    RegionPage,
    ReviewDocument,
    ReviewPage,
    ReviewRequest,
    VerdictName,
)
from cinemill.api.models.documents import PREFIX
from cinemill.api.models.pages import (
    Cursor,
    PageLimit,
    cut_page,
    decode_cursor,
    decode_position,
    encode_cursor,
    encode_position,
)
from cinemill.api.models.problems import CREATED, problems
from cinemill.api.state import OWNER, AppState, StateDep
from cinemill.core.job import JobState
from cinemill.errors import InputRejected
from cinemill.storage.analyses import analyses, frame_scores, regions, results, reviews
from cinemill.storage.analyses.records import Analysis, FramePosition, ReviewAction
from cinemill.storage.database import Connection
from cinemill.storage.media.assets import get_asset

router = APIRouter(tags=["analyses"], route_class=BoundedRoute)

DETECT = "detect_video"


@router.post(
    "/assets/{asset_id}/analyses", status_code=201, responses=CREATED | problems(404, 409, 413, 422)
)
def create_analysis(
    asset_id: str,
    state: StateDep,
    response: Response,
    request: CreateAnalysisRequest | None = None,
) -> AnalysisDocument:
    """Examine a video for manipulated faces. Follow its job's events until it has ended."""
    wanted = request or CreateAnalysisRequest()
    get_asset(state.database, asset_id)
    job = state.jobs.create_job(
        DETECT,
        owner=OWNER,
        asset_id=asset_id,
        params={"fast": wanted.fast},
        priority=wanted.priority,
    )
    response.headers["Location"] = f"{PREFIX}/analyses/{job.id}"
    return AnalysisDocument.from_record(_get(state, job.id))


@router.get("/assets/{asset_id}/analyses", responses=problems(404, 422))
def list_asset_analyses(
    asset_id: str, state: StateDep, limit: PageLimit = 50, cursor: Cursor = None
) -> AnalysisPage:
    """List the analyses of a video, newest first."""
    get_asset(state.database, asset_id)
    return _list(state, limit, cursor, asset_id=asset_id)


@router.get("/analyses", responses=problems(422))
def list_analyses(
    state: StateDep,
    status: JobState | None = None,
    verdict: VerdictName | None = None,
    limit: PageLimit = 50,
    cursor: Cursor = None,
) -> AnalysisPage:
    """List analyses, newest first."""
    return _list(state, limit, cursor, status=status, verdict=verdict)


def _list(
    state: AppState,
    limit: int,
    cursor: str | None,
    *,
    asset_id: str | None = None,
    status: JobState | None = None,
    verdict: str | None = None,
) -> AnalysisPage:
    with state.database.begin() as connection:
        found = analyses.list_analyses(
            connection,
            asset_id=asset_id,
            owner=OWNER,
            state=status,
            verdict=verdict,
            after=decode_position(cursor),
            limit=limit + 1,
        )
    return _write_page(found, limit)


def _write_page(found: list[Analysis], limit: int) -> AnalysisPage:
    page, has_more = cut_page(found, limit)
    return AnalysisPage(
        analyses=[AnalysisDocument.from_record(one) for one in page],
        next=encode_position(page[-1].created_at, page[-1].id) if has_more else None,
    )


@router.get("/analyses/{analysis_id}", responses=problems(404))
def read_analysis(analysis_id: str, state: StateDep) -> AnalysisDetails:
    """Return an analysis: verdict, reasons, faces, versions, and what it took."""
    with state.database.begin() as connection:
        one = analyses.get_analysis(connection, analysis_id)
        result = results.get_result(connection, analysis_id)
        metrics = results.get_metrics(connection, analysis_id)
    return AnalysisDetails.from_parts(one, result, metrics)


@router.get("/analyses/{analysis_id}/frames", responses=problems(404, 422))
def list_frames(
    analysis_id: str,
    state: StateDep,
    face: Annotated[
        int | None, Query(ge=0, description="Number of a face; 0 for frames as a whole.")
    ] = None,
    from_ms: Annotated[int, Query(ge=0)] = 0,
    until_ms: Annotated[int | None, Query(ge=0)] = None,
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
        frames=[FrameScoreDocument.from_record(one) for one in page], next=following
    )


def _decode_place(cursor: str | None) -> FramePosition | None:
    if cursor is None:
        return None
    parts = decode_cursor(cursor, 2)
    if not all(part.isascii() and part.isdecimal() and len(part) < 18 for part in parts):
        raise InputRejected(
            "This cursor does not belong to this list.",
            code="cursor_invalid",
            hint="Send the 'next' of the previous page as it is.",
        )
    return FramePosition(int(parts[0]), int(parts[1]))


@router.get("/analyses/{analysis_id}/regions", responses=problems(404))
def list_regions(analysis_id: str, state: StateDep) -> RegionPage:
    """List the ranges of time in which a face looks manipulated."""
    with state.database.begin() as connection:
        analyses.get_analysis(connection, analysis_id)
        found = regions.list_regions(connection, analysis_id)
    return RegionPage(regions=[RegionDocument.from_record(one) for one in found], next=None)


@router.get("/reviews", responses=problems(422))
def list_review_queue(
    state: StateDep, limit: PageLimit = 50, cursor: Cursor = None
) -> AnalysisPage:
    """List the analyses that a person should decide about, oldest first."""
    with state.database.begin() as connection:
        found = reviews.list_review_queue(
            connection, owner=OWNER, after=decode_position(cursor), limit=limit + 1
        )
    return _write_page(found, limit)


@router.get("/analyses/{analysis_id}/reviews", responses=problems(404))
def list_reviews(analysis_id: str, state: StateDep) -> ReviewPage:
    """List what people decided about an analysis, oldest first; nothing in it ever changes."""
    with state.database.begin() as connection:
        analyses.get_analysis(connection, analysis_id)
        found = reviews.list_reviews(connection, analysis_id)
    return ReviewPage(reviews=[ReviewDocument.from_record(one) for one in found], next=None)


@router.post(
    "/analyses/{analysis_id}/reviews", status_code=201, responses=problems(404, 409, 413, 422)
)
def add_review(analysis_id: str, request: ReviewRequest, state: StateDep) -> ReviewDocument:
    """Accept the model's verdict, override it, or flag the analysis for others to look at."""
    with state.database.begin() as connection:
        _add(connection, analysis_id, request)
        added = reviews.list_reviews(connection, analysis_id)[-1]
    return ReviewDocument.from_record(added)


def _add(connection: Connection, analysis_id: str, request: ReviewRequest) -> int:
    person = {"reviewer": request.reviewer, "reason": request.reason}
    if request.action is ReviewAction.FLAG:
        return reviews.flag_analysis(connection, analysis_id, **person)
    if request.action is ReviewAction.ACCEPT:
        return reviews.accept_verdict(connection, analysis_id, **person, seen=request.seen)
    verdict = request.verdict or ""
    return reviews.override_verdict(connection, analysis_id, verdict, **person, seen=request.seen)


def _get(state: AppState, analysis_id: str) -> Analysis:
    with state.database.begin() as connection:
        return analyses.get_analysis(connection, analysis_id)
