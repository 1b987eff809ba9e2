"""The timeline of a render, and how far each part of it is."""

from __future__ import annotations

from fastapi import APIRouter

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.models.problems import problems
from cinemill.api.models.timelines import LayoutPiece, RenderLayout
from cinemill.api.state import StateDep
from cinemill.capabilities.render.timeline_view import describe_layout
from cinemill.core.text.storable_text import Text
from cinemill.storage.jobs import job_queries

router = APIRouter(tags=["jobs"], route_class=BoundedRoute)


@router.get("/jobs/{job_id}/timeline", responses=problems(404, 422))
def read_timeline(job_id: Text, state: StateDep) -> RenderLayout:
    """Return the timeline of a render: clips, titles, subtitles, and the state of each piece.

    All times are in seconds of the output.
    """
    with state.database.begin() as connection:
        job = job_queries.get_job(connection, job_id)
        layout = describe_layout(job, job_queries.list_steps(connection, job_id))
    pieces = [LayoutPiece(**one, status=one["state"]) for one in layout["pieces"]]
    return RenderLayout(**{**layout, "pieces": pieces})
