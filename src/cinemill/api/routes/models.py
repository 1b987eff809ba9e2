"""Models that the workers use: downloading one."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.models.jobs import JobDocument
from cinemill.api.models.problems import CREATED, problems
from cinemill.api.state import StateDep
from cinemill.core.job import DEFAULT_OWNER
from cinemill.core.text.storable_text import Text

router = APIRouter(prefix="/models", tags=["models"], route_class=BoundedRoute)


@router.post("/{name}/fetch", status_code=201, responses=CREATED | problems(404, 422))
def fetch_model(name: Text, state: StateDep, response: Response) -> JobDocument:
    """Queue the download of a model by a worker that uses it; it does nothing if it is there.

    Names are those of ``cinemill models list``. With several machines, one of them downloads it.
    """
    job = state.jobs.create_job("fetch_model", owner=DEFAULT_OWNER, params={"name": name})
    created = JobDocument.from_job(job)
    response.headers["Location"] = created.address
    return created
