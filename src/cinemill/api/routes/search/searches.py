"""``/search``: moments of all videos that answer a query."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.models.problems import problems
from cinemill.api.models.search.searches import SearchDocument, SearchQuery
from cinemill.api.state import AppState, StateDep
from cinemill.capabilities.search.runtime.documents import write_search
from cinemill.capabilities.search.runtime.search import run_search
from cinemill.core.job import DEFAULT_OWNER

router = APIRouter(tags=["search"], route_class=BoundedRoute)


@router.get("/search", responses=problems(413, 414, 422))
async def search_videos(query: Annotated[SearchQuery, Query()], state: StateDep) -> SearchDocument:
    """Find moments by meaning, words, misspelled names and the graph of entities.

    Where nothing that was found answers the query, `hits` is empty and `nearest` has what came
    closest.
    """
    return await _search(state, query)


@router.post("/search", responses=problems(413, 422))
async def search_videos_by_body(query: SearchQuery, state: StateDep) -> SearchDocument:
    """Find moments with a query that is too long for an address, which has 8 KiB at most."""
    return await _search(state, query)


async def _search(state: AppState, query: SearchQuery) -> SearchDocument:
    def work() -> SearchDocument:
        found = run_search(state.search.open(DEFAULT_OWNER), query.to_request(), query.mode)
        return SearchDocument.model_validate(write_search(found))

    return await state.search.searches.run(work)
