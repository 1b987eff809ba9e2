"""Ingestions of videos: requested, and listed with what is known by now."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.models.jobs import JobDocument
from cinemill.api.models.pages import Cursor, PageLimit, cut_page, decode_position, encode_position
from cinemill.api.models.problems import CREATED, problems
from cinemill.api.models.search.ingestions import CreateIngestionRequest, IngestionPage
from cinemill.api.owned_assets import get_lasting_asset, get_owned_asset
from cinemill.api.state import StateDep
from cinemill.core.job import DEFAULT_OWNER
from cinemill.core.text.storable_text import Text
from cinemill.storage.findings.ingestions import PREPARING_KIND, count_known, list_ingestions

router = APIRouter(tags=["ingestions"], route_class=BoundedRoute)


@router.post(
    "/assets/{asset_id}/ingestions",
    status_code=201,
    responses=CREATED | problems(404, 409, 413, 422),
)
def create_ingestion(
    asset_id: Text,
    state: StateDep,
    response: Response,
    request: CreateIngestionRequest | None = None,
) -> JobDocument:
    """Find out what is in a video. Follow its job's events until it has ended.

    What is known already is not looked for again. What cannot be found out is left as a gap, and
    the rest goes on.
    """
    wanted = request or CreateIngestionRequest()
    get_lasting_asset(state, asset_id)
    job = state.jobs.create_job(
        PREPARING_KIND,
        owner=DEFAULT_OWNER,
        asset_id=asset_id,
        params={"profile": wanted.profile.value, "provider": wanted.provider.value},
        priority=wanted.priority,
    )
    created = JobDocument.from_job(job)
    response.headers["Location"] = created.address
    return created


@router.get("/assets/{asset_id}/ingestions", responses=problems(404, 422))
def list_asset_ingestions(
    asset_id: Text, state: StateDep, limit: PageLimit = 50, cursor: Cursor = None
) -> IngestionPage:
    """List the ingestions of a video, newest first, with what is known of it by now."""
    get_owned_asset(state, asset_id)
    with state.database.begin() as connection:
        found = list_ingestions(
            connection, asset_id, after=decode_position(cursor), limit=limit + 1
        )
        known = count_known(connection, asset_id)
    page, has_more = cut_page(found, limit)
    return IngestionPage.from_parts(
        [JobDocument.from_job(job) for job in page],
        known,
        encode_position(page[-1].queued_at, page[-1].id) if has_more else None,
    )
