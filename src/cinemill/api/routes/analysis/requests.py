"""Analyses of videos: requested, listed and read."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import Response

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.middleware.problems import ParametersInvalid
from cinemill.api.models.analyses import (
    AnalysisBatch,
    AnalysisDetails,
    AnalysisDocument,
    AnalysisPage,
    CreateAnalysesRequest,
    CreateAnalysisRequest,
    VerdictName,
)
from cinemill.api.models.documents import Name, make_link
from cinemill.api.models.pages import (
    Cursor,
    PageLimit,
    cut_page,
    decode_position,
    encode_position,
)
from cinemill.api.models.problems import created, problems
from cinemill.api.owned_assets import get_lasting_asset, get_owned_asset
from cinemill.api.state import AppState, StateDep
from cinemill.core.job import DEFAULT_OWNER, JobState
from cinemill.core.text.storable_text import Text
from cinemill.storage.analyses import analyses, results
from cinemill.storage.analyses.records import Analysis
from cinemill.storage.media.assets import find_lasting

router = APIRouter(tags=["analyses"], route_class=BoundedRoute)

DETECT = "detect_video"


@router.post(
    "/assets/{asset_id}/analyses",
    status_code=201,
    responses=created("The analysis.") | problems(404, 409, 413, 422),
)
def create_analysis(
    asset_id: Text,
    state: StateDep,
    response: Response,
    request: CreateAnalysisRequest | None = None,
) -> AnalysisDocument:
    """Examine a video for manipulated faces. Follow its job's events until it has ended."""
    wanted = request or CreateAnalysisRequest()
    get_lasting_asset(state, asset_id)
    job = state.jobs.create_job(
        DETECT,
        owner=DEFAULT_OWNER,
        asset_id=asset_id,
        params={"fast": wanted.fast},
        priority=wanted.priority,
    )
    response.headers["Location"] = make_link(f"/analyses/{job.id}")
    return AnalysisDocument.from_record(_get(state, job.id))


@router.post(
    "/analyses",
    status_code=201,
    responses=created("The list of analyses, newest first.") | problems(404, 409, 413, 422),
)
def create_analyses(
    request: CreateAnalysesRequest, state: StateDep, response: Response
) -> AnalysisBatch:
    """Examine many videos, each in an analysis of its own: all of them, or none.

    If an id is of no video, ``parameters_invalid`` names its place in the list.
    """
    _check_assets(state, request.asset_ids)
    jobs = state.jobs.create_jobs(
        DETECT,
        request.asset_ids,
        owner=DEFAULT_OWNER,
        params={"fast": request.fast},
        priority=request.priority,
    )
    with state.database.begin() as connection:
        found = analyses.list_by_ids(connection, [job.id for job in jobs])
    response.headers["Location"] = make_link("/analyses")
    return AnalysisBatch(analyses=[AnalysisDocument.from_record(one) for one in found])


def _check_assets(state: AppState, asset_ids: Sequence[str]) -> None:
    """Raise ParametersInvalid, which names each id of no video of the owner by its place."""
    lasting = find_lasting(state.database, asset_ids, owner=DEFAULT_OWNER)
    unknown = [
        (f"asset_ids.{place}", f"there is no asset {asset_id}, or it is being deleted")
        for place, asset_id in enumerate(asset_ids)
        if asset_id not in lasting
    ]
    if unknown:
        raise ParametersInvalid(unknown)


@router.get("/assets/{asset_id}/analyses", responses=problems(404, 422))
def list_asset_analyses(
    asset_id: Text, state: StateDep, limit: PageLimit = 50, cursor: Cursor = None
) -> AnalysisPage:
    """List the analyses of a video, newest first."""
    get_owned_asset(state, asset_id)
    return _list(state, limit, cursor, asset_id=asset_id)


@router.get("/analyses", responses=problems(422))
def list_analyses(
    state: StateDep,
    asset_id: Name | None = None,
    status: JobState | None = None,
    verdict: VerdictName | None = None,
    limit: PageLimit = 50,
    cursor: Cursor = None,
) -> AnalysisPage:
    """List analyses, newest first."""
    return _list(state, limit, cursor, asset_id=asset_id, status=status, verdict=verdict)


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
            state=status,
            verdict=verdict,
            after=decode_position(cursor),
            limit=limit + 1,
        )
    return write_page(found, limit)


@router.get("/analyses/{analysis_id}", responses=problems(404))
def read_analysis(analysis_id: Text, state: StateDep) -> AnalysisDetails:
    """Return an analysis: verdict, reasons, faces, versions, and what it took."""
    with state.database.begin() as connection:
        one = analyses.get_analysis(connection, analysis_id)
        result = results.get_result(connection, analysis_id)
        metrics = results.get_metrics(connection, analysis_id)
    return AnalysisDetails.from_parts(one, result, metrics)


def _get(state: AppState, analysis_id: str) -> Analysis:
    with state.database.once() as connection:
        return analyses.get_analysis(connection, analysis_id)


def write_page(found: list[Analysis], limit: int) -> AnalysisPage:
    """Return one page of a list of which one more than ``limit`` was read."""
    page, has_more = cut_page(found, limit)
    return AnalysisPage(
        analyses=[AnalysisDocument.from_record(one) for one in page],
        next=encode_position(page[-1].created_at, page[-1].id) if has_more else None,
    )
