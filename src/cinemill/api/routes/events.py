"""``GET /jobs/{id}/events``: a job's progress as server-sent events.

Events come from the job's stream in Redis; their ids are the stream's, so a client that was cut
off resumes with ``Last-Event-ID`` and misses nothing. In silence, and where Redis has lost the
stream or is gone, the row in PostgreSQL is sent instead (without an id: it is nothing to resume
from). The row decides what is final: the stream of a job that was retried has ends in its middle.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.models.jobs import ProgressDocument
from cinemill.api.models.problems import EVENT_STREAM, events, problems
from cinemill.api.state import AppState, StateDep
from cinemill.core.documents import JsonObject
from cinemill.core.job import FINAL_JOB_STATES
from cinemill.core.text.storable_text import Text
from cinemill.errors import CinemillError, NotFound, RedisUnavailable, clip_text
from cinemill.jobs.events import Event, EventReader
from cinemill.telemetry import get_logger

log = get_logger(__name__)

router = APIRouter(tags=["jobs"], route_class=BoundedRoute)

Describe = Callable[[JsonObject], JsonObject]
"""Turns a job's progress into the data of an event."""

BLOCK_SECONDS = 1.5
"""Silence after which the row is read: a client gets an event at least every 2 s."""
GLANCE_SECONDS = 0.001
BEGINNING = "0"
"""Of a stream, as the id after which it is read."""
PAUSE_AFTER_FAULT_SECONDS = 1.0
KEEP_ALIVE_SECONDS = 10.0
RECONNECT_MILLISECONDS = 1000
_STREAM_ID = re.compile(r"\d{1,20}-\d{1,20}")
_FINAL = frozenset(state.value for state in FINAL_JOB_STATES)
_ROW_KEYS = ("task_id", "status", "progress", "message", "stage")
_ROW_EXTRAS = ("seconds_left", "queue_place")


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses=events({"progress": "ProgressDocument"}) | problems(404),
)
async def follow_job(
    job_id: Text,
    request: Request,
    state: StateDep,
    last_event_id: Annotated[Text, Header()] = "",
) -> StreamingResponse:
    """Stream progress as ``event: progress`` until the job ends; data is a ProgressDocument.

    ``Last-Event-ID`` resumes after that event; without it the stream starts at its beginning.
    """
    return await open_stream(request, state, job_id, last_event_id, describe_progress)


async def open_stream(
    request: Request, state: AppState, job_id: str, last_event_id: str, describe: Describe
) -> StreamingResponse:
    """Return the events of a job, each with the data that ``describe`` makes of its progress."""
    await run_in_threadpool(state.jobs.get_job, job_id)
    after_id = last_event_id if is_stream_id(last_event_id) else BEGINNING
    stream = JobEventStream(state, request.app.state.events, job_id, after_id)
    return StreamingResponse(
        stream.write(describe),
        media_type=EVENT_STREAM,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def describe_progress(progress: JsonObject) -> JsonObject:
    """Return the data of an event: the progress that Redis or the row holds, of a ``job_id``."""
    document = ProgressDocument.model_validate({"job_id": progress["task_id"], **progress})
    return document.model_dump(exclude_unset=True)


def _can_describe(describe: Describe, event: Event) -> bool:
    """Return whether an event can be sent; another version may have written one that cannot.

    The stream goes on without it, and ends with what the row says of the job.
    """
    try:
        describe(event.progress)
    except (KeyError, ValidationError) as error:
        log.warning("an event cannot be sent", event_id=event.id, why=clip_text(str(error), 200))
        return False
    return True


class JobEventStream:
    """The events of one job for one client."""

    def __init__(self, state: AppState, reader: EventReader, job_id: str, after_id: str) -> None:
        self._state = state
        self._reader = reader
        self._job_id = job_id
        self._after_id = after_id
        self._block_seconds = GLANCE_SECONDS
        self._last: dict[str, Any] = {}
        self._shown = 0.0
        """Percent that this client was shown, below which it is shown nothing any more."""
        self._sent_at = time.monotonic()

    async def write(self, describe: Describe) -> AsyncIterator[str]:
        """Yield the text of the stream, event by event."""
        yield f"retry: {RECONNECT_MILLISECONDS}\n\n"
        async for event in self.follow(describe):
            if event is not None:
                self._sent_at = time.monotonic()
                yield format_event(event.id, describe(event.progress))
            elif time.monotonic() - self._sent_at >= KEEP_ALIVE_SECONDS:
                self._sent_at = time.monotonic()
                yield ": still here\n\n"

    async def follow(self, describe: Describe) -> AsyncIterator[Event | None]:
        """Yield events that can be described, to the final one; None where nothing happened."""
        await self._note_former()
        while not self._state.stopping.is_set():
            found = await self._read()
            for event in found:
                self._after_id = event.id
                if not _can_describe(describe, event) or await self._is_stale_end(event):
                    continue
                self._last = event.progress
                yield self._lift(event)
                if is_final(event):
                    return
            if found:
                continue
            row = await self._read_row()
            yield row and self._lift(row)
            if row is not None and is_final(row):
                return

    async def _note_former(self) -> None:
        """Note what a client that was cut off may have been shown: an event without an id too."""
        row = None if self._after_id == BEGINNING else await self._read_row()
        if row is not None and not is_final(row):
            self._shown = row.progress["progress"]

    def _lift(self, event: Event) -> Event:
        """Return the event with no lower percentage than what was shown before.

        Rows and events are written at different times.
        """
        self._shown = max(self._shown, event.progress["progress"])
        return Event(event.id, {**event.progress, "progress": self._shown})

    async def _read(self) -> list[Event]:
        """Wait for events and return them; none where Redis or the server stops."""
        # The first read does not wait: a client gets the present state at once.
        block_seconds, self._block_seconds = self._block_seconds, BLOCK_SECONDS
        read = asyncio.create_task(self._read_stream(block_seconds))
        stop = asyncio.create_task(self._state.stopping.wait())
        try:
            await asyncio.wait({read, stop}, return_when=asyncio.FIRST_COMPLETED)
            return read.result() if read.done() else []
        finally:
            for task in (read, stop):
                task.cancel()
            await asyncio.gather(read, stop, return_exceptions=True)

    async def _read_stream(self, block_seconds: float) -> list[Event]:
        try:
            async with asyncio.timeout(block_seconds + KEEP_ALIVE_SECONDS):
                return await self._reader.read_after(
                    self._job_id, self._after_id, block_seconds=block_seconds
                )
        except (RedisUnavailable, TimeoutError):
            await asyncio.sleep(PAUSE_AFTER_FAULT_SECONDS)
            return []

    async def _is_stale_end(self, event: Event) -> bool:
        """Return whether this is the end of an earlier attempt, after which the job was retried."""
        if not is_final(event):
            return False
        row = await self._read_row()
        return row is not None and not is_final(row)

    async def _read_row(self) -> Event | None:
        """Return the state of the job by its row; None where the database does not respond.

        A row that has been deleted meanwhile ends the watch as cancelled.
        """
        try:
            status = await run_in_threadpool(self._state.jobs.get_job_status, self._job_id)
        except NotFound:
            unknown = {"task_id": self._job_id, "progress": 0.0, "stage": ""}
            end = {"status": "cancelled", "message": "The job was deleted"}
            return Event("", unknown | self._last | end)
        except CinemillError:
            return None
        return Event("", self._merge(status))

    def _merge(self, status: JsonObject) -> dict[str, Any]:
        """Return the row as a progress document.

        It is written less often than events are sent, so while a job runs, a lower progress than
        the last event's is replaced by it.
        """
        document: dict[str, Any] = {key: status[key] for key in _ROW_KEYS}
        document |= {key: status[key] for key in _ROW_EXTRAS if status.get(key) is not None}
        is_behind = document["status"] == self._last.get("status") == "running" and document[
            "progress"
        ] <= self._last.get("progress", -1)
        if is_behind:
            shown = ("progress", "message", "stage")
            document |= {key: self._last[key] for key in shown if key in self._last}
        return document


def is_stream_id(text: str) -> bool:
    """Return whether Redis can have given an event this id: two numbers of 64 bits."""
    return _STREAM_ID.fullmatch(text) is not None and all(
        int(part) < 2**64 for part in text.split("-")
    )


def format_event(event_id: str, progress: JsonObject) -> str:
    """Return an event as https://html.spec.whatwg.org/multipage/server-sent-events.html has it."""
    name = f"id: {event_id}\n" if event_id else ""
    data = json.dumps(progress, ensure_ascii=False)  # JSON has no raw line ends.
    return f"{name}event: progress\ndata: {data}\n\n"


def is_final(event: Event) -> bool:
    """Return whether a job has ended with this event."""
    return event.progress.get("status") in _FINAL
