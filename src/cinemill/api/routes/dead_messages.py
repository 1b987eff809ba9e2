"""Messages that became no job: read with the dead letters, and dropped."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.state import AppState, StateDep
from cinemill.storage.jobs.dead_messages import delete_dead_message, list_dead_messages

router = APIRouter(tags=["operate"], route_class=BoundedRoute)


def read_dead_messages(state: AppState, limit: int) -> list[dict[str, Any]]:
    """As JSON values, latest first."""
    with state.database.begin() as connection:
        found = list_dead_messages(connection, limit=limit)
    return [message.to_json() for message in found]


@router.delete("/dead/messages/{message_id}", status_code=204)
def drop_dead_message(message_id: str, state: StateDep) -> Response:
    """Delete a dead message."""
    with state.database.begin() as connection:
        delete_dead_message(connection, message_id)
    return Response(status_code=204)
