"""``POST /ask``: answers with citations, whole or as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Generator
from typing import Annotated, Any

from fastapi import APIRouter, Header
from fastapi.responses import JSONResponse, Response, StreamingResponse

from cinemill.api.bounded_threads import Finished, Production
from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.middleware.problems import to_problem
from cinemill.api.models.problems import EVENT_STREAM, events, problems
from cinemill.api.models.search.searches import AnswerDocument, AskRequest
from cinemill.api.state import AppState, StateDep
from cinemill.capabilities.search.answers.events import AnswerEvent
from cinemill.capabilities.search.runtime.answers import AnswerStream, Question, answer_query
from cinemill.capabilities.search.runtime.documents import name_event, write_answer, write_event
from cinemill.core.documents import JsonObject
from cinemill.core.job import DEFAULT_OWNER
from cinemill.core.retrieval.hits import SearchFilters
from cinemill.core.text.storable_text import Text
from cinemill.errors import CinemillError

router = APIRouter(tags=["search"], route_class=BoundedRoute)

KEEP_ALIVE_SECONDS = 10.0
_NEVER_STORED = {"Cache-Control": "no-store"}
_EVENTS = events(
    {
        "rewriting": "RewritingEventDocument",
        "retrieval": "RetrievalEventDocument",
        "delta": "DeltaEventDocument",
        "citations": "CitationsEventDocument",
        "done": "DoneEventDocument",
        "error": "Problem",
    }
)
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {}, **_EVENTS[200]["content"]}}
}
Piece = tuple[str, JsonObject]
"""Name and data of an event."""


@router.post("/ask", response_model=AnswerDocument, responses=_ANSWER | problems(404, 413, 422))
async def ask(
    request: AskRequest, state: StateDep, accept: Annotated[Text, Header()] = ""
) -> Response:
    """Answer a question from the videos, each statement with the moments that it rests on.

    With `Accept: text/event-stream` the answer comes as events: `rewriting` (a language model
    completes a follow-up question), `retrieval` (what the answer may use), `delta` (the next
    statement), `citations` and `done`, each with JSON as data; `error` with a problem document ends
    a stream that breaks off. Without a language model the answer consists of
    quotations.
    """
    if EVENT_STREAM not in accept:
        document = await state.search.answers.run(lambda: _answer(state, request))
        return JSONResponse(document, headers=_NEVER_STORED)
    production = state.search.answers.produce(lambda: _produce(state, request))
    # What is wrong with the request is known before the response begins.
    first = await production.next()
    headers = {**_NEVER_STORED, "X-Accel-Buffering": "no"}
    return StreamingResponse(
        _write(state, production, first), media_type=EVENT_STREAM, headers=headers
    )


def _open(state: AppState, request: AskRequest) -> AnswerStream:
    question = Question(
        request.question,
        collections=tuple(request.collections),
        filters=SearchFilters(asset_ids=tuple(request.asset_ids)),
    )
    return answer_query(
        state.search.open(DEFAULT_OWNER), question, conversation_id=request.conversation_id
    )


def _answer(state: AppState, request: AskRequest) -> JsonObject:
    stream = _open(state, request)
    stream.finish()
    return write_answer(stream)


def _produce(state: AppState, request: AskRequest) -> Generator[Piece]:
    """Yield the events of an answer, in a thread."""
    stream = _open(state, request)
    for event in stream.events():
        yield _describe(event, stream)


def _describe(event: AnswerEvent, stream: AnswerStream) -> Piece:
    return name_event(event), write_event(event, stream)


async def _write(
    state: AppState, production: Production[Piece], first: Piece
) -> AsyncIterator[str]:
    """Yield the text of the stream; the client's leaving ends the work at its next event."""
    try:
        yield format_event(*first)
        while not state.stopping.is_set():
            try:
                yield format_event(*await _next(state, production))
            except TimeoutError:
                yield ": still here\n\n"
    except Finished:
        return
    except CinemillError as error:
        yield format_event("error", to_problem(error))
    finally:
        production.cancel()


async def _next(state: AppState, production: Production[Piece]) -> Piece:
    """Return the next event. Raises TimeoutError where there is none, or the server stops."""
    wait = asyncio.create_task(production.next(within_seconds=KEEP_ALIVE_SECONDS))
    stop = asyncio.create_task(state.stopping.wait())
    try:
        await asyncio.wait({wait, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not wait.done():
            raise TimeoutError
        return wait.result()
    finally:
        for task in (wait, stop):
            task.cancel()
        await asyncio.gather(wait, stop, return_exceptions=True)


def format_event(name: str, data: JsonObject) -> str:
    """Return a server-sent event. JSON has no raw line ends, so the data is one line."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
