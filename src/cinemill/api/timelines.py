"""What a render is made of, and how far each part of it is."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from cinemill.api.bodies import BoundedRoute
from cinemill.api.mill import MillDoor
from cinemill.jobs.layouts import describe_layout
from cinemill.storage import jobs

router = APIRouter(tags=["jobs"], route_class=BoundedRoute)


@router.get("/jobs/{job_id}/timeline")
def read_timeline(job_id: str, mill: MillDoor) -> dict[str, Any]:
    """The timeline of a render, laid out: clips, titles, subtitles, and the state of each piece.

    All times are seconds of the film that it becomes.
    """
    with mill.database.begin() as connection:
        job = jobs.get_job(connection, job_id)
        return describe_layout(job, jobs.list_steps(connection, job_id))
