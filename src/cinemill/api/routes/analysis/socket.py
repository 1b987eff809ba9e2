"""``GET /analyses/{id}/ws``: the events of an analysis through a WebSocket.

They are those of its job's event stream, each a message with the id to resume after. The server
sends and never reads; how it closes says whether there is more to come (``docs/how-to/``
``follow-analyses.md``).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from fastapi import APIRouter, Request, WebSocket, WebSocketDisconnect
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from cinemill.api.http.errors import UpgradeRequired
from cinemill.api.middleware.problems import problem_response
from cinemill.api.models.analyses import AnalysisEvent
from cinemill.api.routes.events import (
    BEGINNING,
    JobEventStream,
    describe_progress,
    is_final,
    is_stream_id,
)
from cinemill.api.socket_codes import ENDED, RESTARTING, find_close_code
from cinemill.api.state import AppState
from cinemill.core.job import JobState
from cinemill.errors import CinemillError, NotFound
from cinemill.jobs.events import Event
from cinemill.storage.analyses.analyses import get_analysis

router = APIRouter()

_PATH = "/analyses/{analysis_id}/ws"
_REASONS = {ENDED: "ended", RESTARTING: "server_restarting"}
_UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}

Answer = TypeVar("Answer")


@router.websocket(_PATH)
async def follow_analysis(socket: WebSocket, analysis_id: str, last_event_id: str = "") -> None:
    """Send the events of an analysis to its end, those after ``last_event_id``."""
    with suppress(WebSocketDisconnect, OSError):  # The client has left.
        await socket.accept()
        try:
            events = await _find_events(socket, analysis_id, last_event_id)
            code = await _until_left(socket, _send(socket, events))
        except CinemillError as error:
            await socket.close(find_close_code(error), error.code)
        else:
            if code is not None:
                await socket.close(code, _REASONS[code])


async def ask_for_upgrade(request: Request) -> Response:
    """Refuse a request that opens no WebSocket."""
    return problem_response(UpgradeRequired("This address is a WebSocket."), _UPGRADE)


router.add_route(_PATH, ask_for_upgrade, include_in_schema=False)


async def _find_events(
    socket: WebSocket, analysis_id: str, last_event_id: str
) -> AsyncIterator[Event | None]:
    """Return the events of an analysis, from the first or after one. Raises NotFound."""
    state: AppState = socket.app.state.cinemill
    end = await run_in_threadpool(_find_end, state, analysis_id)
    if end is not None:
        return _repeat(end)
    after_id = last_event_id if is_stream_id(last_event_id) else BEGINNING
    stream = JobEventStream(state, socket.app.state.events, analysis_id, after_id)
    return stream.follow(describe_progress)


def _find_end(state: AppState, analysis_id: str) -> Event | None:
    """Return the end of an analysis whose job has been cleaned up, or None. Raises NotFound."""
    with state.database.begin() as connection:
        analysis = get_analysis(connection, analysis_id)
    try:
        state.jobs.get_job(analysis_id)
    except NotFound:
        progress = 100.0 if analysis.state is JobState.COMPLETED else 0.0
        error = analysis.error
        return Event(
            "",
            {
                "task_id": analysis_id,
                "status": analysis.state.value,
                "progress": progress,
                "message": error.message if error else "",
                "stage": "",
            },
        )
    return None


async def _repeat(event: Event) -> AsyncIterator[Event | None]:
    yield event


async def _send(socket: WebSocket, events: AsyncIterator[Event | None]) -> int:
    """Send events as messages; returns the code to close with."""
    code = RESTARTING
    async for event in events:
        if event is None:
            continue  # Pings keep the connection open.
        members = {"event_id": event.id, **describe_progress(event.progress)}
        document = AnalysisEvent.model_validate(members).model_dump(exclude_unset=True)
        await socket.send_text(json.dumps(document, ensure_ascii=False))
        code = ENDED if is_final(event) else RESTARTING
    return code


async def _until_left(socket: WebSocket, work: Coroutine[Any, Any, Answer]) -> Answer | None:
    """Return what the work answers; None where the client leaves before, which ends the work."""
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_wait_until_left(socket))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _wait_until_left(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
