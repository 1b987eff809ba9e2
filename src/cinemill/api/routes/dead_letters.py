"""Dead letters: steps that failed for good, and messages that became no job."""

from __future__ import annotations

from fastapi import APIRouter, Response

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.models.dead_letters import (
    DeadMessageDocument,
    DeadMessagePage,
    DeadStepDocument,
    DeadStepPage,
)
from cinemill.api.models.jobs import JobDocument
from cinemill.api.models.pages import Cursor, PageLimit, cut_page, decode_position, encode_position
from cinemill.api.models.problems import problems
from cinemill.api.state import StateDep
from cinemill.core.text.storable_text import Text
from cinemill.storage.jobs.dead_messages import delete_dead_message, list_dead_messages

router = APIRouter(prefix="/dead", tags=["operate"], route_class=BoundedRoute)


@router.get("", responses=problems(422))
def list_dead(state: StateDep, limit: PageLimit = 100, cursor: Cursor = None) -> DeadStepPage:
    """List dead steps: rejected, or out of retries. Latest first."""
    found = state.jobs.list_dead(limit + 1, after=decode_position(cursor))
    page, has_more = cut_page(found, limit)
    return DeadStepPage(
        dead=[DeadStepDocument.from_step(dead) for dead in page],
        next=encode_position(page[-1].died_at, page[-1].step_id) if has_more else None,
    )


@router.get("/messages", responses=problems(422))
def list_messages(
    state: StateDep, limit: PageLimit = 100, cursor: Cursor = None
) -> DeadMessagePage:
    """List messages that became no job, latest first."""
    after = decode_position(cursor)
    with state.database.begin() as connection:
        found = list_dead_messages(connection, after=after, limit=limit + 1)
    page, has_more = cut_page(found, limit)
    return DeadMessagePage(
        messages=[DeadMessageDocument.from_message(message) for message in page],
        next=encode_position(page[-1].received_at, page[-1].id) if has_more else None,
    )


@router.delete("/messages/{message_id}", status_code=204, responses=problems(404))
def drop_dead_message(message_id: Text, state: StateDep) -> Response:
    """Delete a dead message."""
    with state.database.begin() as connection:
        delete_dead_message(connection, message_id)
    return Response(status_code=204)


@router.post("/{step_id}/redrive", responses=problems(404, 409))
def redrive(step_id: Text, state: StateDep) -> JobDocument:
    """Retry the job of a dead step."""
    return JobDocument.from_job(state.jobs.redrive(step_id))
