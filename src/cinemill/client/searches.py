"""Searches, answers, conversations, entities and findings, as methods."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import httpx

from cinemill.client.calls import Calls, part_of
from cinemill.client.connection import API, drop_none
from cinemill.client.errors import ClientError
from cinemill.client.search_documents import (
    AnswerDocument,
    ConversationDocument,
    EntityDocument,
    FindingDocument,
    SearchDocument,
)
from cinemill.client.sse import EventDecoder, EventTooLarge

ANSWER_TIMEOUT = httpx.Timeout(300, connect=5, write=60)
"""A language model may take minutes."""


@dataclass(frozen=True, slots=True)
class AnswerEvent:
    """A part of an answer: ``rewriting``, ``retrieval``, ``delta``, ``citations`` or ``done``."""

    name: str
    data: dict[str, Any]


class SearchCalls(Calls):
    """What a client can find and ask. Times are seconds from a video's start."""

    def search(
        self,
        query: str,
        *,
        mode: str = "hybrid",
        limit: int = 10,
        asset_ids: Sequence[str] = (),
        collections: Sequence[str] = (),
        speakers: Sequence[str] = (),
    ) -> SearchDocument:
        """Find moments of all videos, or of some.

        ``mode`` is ``hybrid``, ``semantic`` or ``graph``; ``limit`` is the most hits to return,
        1 to 100. With ``speakers``, only what one of these people says is found, by the name that
        captions give them.
        """
        body: dict[str, Any] = {
            "q": query,
            "mode": mode,
            "limit": limit,
            "asset": list(asset_ids),
            "collection": list(collections),
            "speaker": list(speakers),
        }
        return cast("SearchDocument", self._post(f"{API}/search", body))

    def ask(
        self,
        question: str,
        *,
        conversation_id: str | None = None,
        asset_ids: Sequence[str] = (),
        collections: Sequence[str] = (),
    ) -> AnswerDocument:
        """Return the answer to a question, with the moments that it rests on.

        The answer's ``conversation_id`` goes on with the conversation.
        """
        body = _make_question(question, conversation_id, asset_ids, collections)
        reply = self._connection.call("POST", f"{API}/ask", json=body, timeout=ANSWER_TIMEOUT)
        return cast("AnswerDocument", reply)

    def ask_events(
        self,
        question: str,
        *,
        conversation_id: str | None = None,
        asset_ids: Sequence[str] = (),
        collections: Sequence[str] = (),
    ) -> Iterator[AnswerEvent]:
        """Yield an answer's events as they come; the last one is ``done``.

        Raises ClientError also for a stream that breaks off.
        """
        request: dict[str, Any] = {
            "json": _make_question(question, conversation_id, asset_ids, collections),
            "headers": {"Accept": "text/event-stream"},
            "timeout": ANSWER_TIMEOUT,
        }
        decoder = EventDecoder()
        with self._connection.stream("POST", f"{API}/ask", **request) as response:
            try:
                for piece in response.iter_bytes():
                    for event in decoder.feed(piece):
                        yield _read_event(event.event, event.data)
                        if event.event == "done":
                            return
            except EventTooLarge as problem:
                raise _broken_off() from problem
        raise _broken_off()

    def conversations(self, *, limit: int = 50) -> list[ConversationDocument]:
        """List conversations, the one used last first; ``limit`` is the most to return."""
        found = self._list("conversations", "conversations", limit)
        return cast("list[ConversationDocument]", found)

    def conversation(self, conversation_id: str) -> dict[str, Any]:
        """Return a conversation with its turns, oldest first."""
        path = f"{API}/conversations/{part_of(conversation_id)}"
        return cast("dict[str, Any]", self._get(path))

    def delete_conversation(self, conversation_id: str) -> None:
        """Delete a conversation with its turns."""
        path = f"{API}/conversations/{part_of(conversation_id)}"
        self._connection.call("DELETE", path)

    def entities(self, name: str) -> list[EntityDocument]:
        """List entities of a name, those that are called so exactly first."""
        found = self._get(f"{API}/entities", {"name": name})["entities"]
        return cast("list[EntityDocument]", found)

    def entity(self, entity_id: str) -> EntityDocument:
        """Return an entity with its relations, their evidence and its first moments."""
        return cast("EntityDocument", self._get(f"{API}/entities/{part_of(entity_id)}"))

    def findings(
        self,
        asset_id: str,
        *,
        kind: str | None = None,
        start: float | None = None,
        end: float | None = None,
    ) -> Iterator[FindingDocument]:
        """Yield what was found in a video, by kind and time; ``kind`` is one such as ``shot``.

        With ``start`` or ``end``, in seconds, only what ends after the one and starts before the
        other.
        """
        path = f"assets/{part_of(asset_id)}/findings"
        return self._iterate(path, "findings", None, drop_none(kind=kind, start=start, end=end))


def _make_question(
    question: str,
    conversation_id: str | None,
    asset_ids: Sequence[str],
    collections: Sequence[str],
) -> dict[str, Any]:
    return {
        "question": question,
        "asset_ids": list(asset_ids),
        "collections": list(collections),
        **drop_none(conversation_id=conversation_id),
    }


def _read_event(name: str, text: str) -> AnswerEvent:
    try:
        data = json.loads(text)
    except ValueError as problem:
        raise _broken_off() from problem
    if not isinstance(data, dict):
        raise _broken_off()
    if name == "error":
        raise ClientError(
            str(data.get("detail") or "The answer broke off."),
            code=str(data.get("code") or "answer_broken_off"),
            hint=str(data.get("hint") or "Ask again."),
            status=500,
        )
    return AnswerEvent(name, data)


def _broken_off() -> ClientError:
    return ClientError("The answer broke off.", code="answer_broken_off", hint="Ask again.")
