"""Searches of a fake: its videos have nothing that could be found, and every answer says so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

from cinemill.api.models.search import searches as server
from cinemill.capabilities.search.query import parse_query
from cinemill.client.client import Client
from cinemill.client.search_documents import (
    AnswerDocument,
    ConversationDocument,
    EntityDocument,
    FindingDocument,
    SearchDocument,
)
from cinemill.client.searches import AnswerEvent
from cinemill.core.findings.finding import FindingKind
from cinemill.errors import NotFound
from cinemill.testing.answers import as_client_errors, check_limit, parameter_invalid, read_body
from cinemill.testing.fake_assets import FakeAssets

_NO_VECTORS = {"vectors": "not_indexed", "vectors_hint": ""}
Turns = list[dict[str, Any]]


class FakeSearchCalls(Client):
    """The searches of a fake: nothing is found, and conversations are about nothing.

    What the server refuses is refused.
    """

    _assets: FakeAssets
    _conversations: dict[str, Turns]

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
        members = {
            "q": query,
            "mode": mode,
            "limit": limit,
            "asset": list(asset_ids),
            "collection": list(collections),
            "speaker": list(speakers),
        }
        asked = read_body(server.SearchQuery, members)
        with as_client_errors():
            parsed = parse_query(asked.q)
        found = server.SearchDocument.model_validate(
            {
                "query": parsed.text,
                "mode": asked.mode,
                "hits": [],
                "nothing_found": True,
                "nearest": [],
                "relevance": {"probability": 0.0, "threshold": 0.5, "is_fitted": False},
                "tracks": [],
                "rules": [],
                "entities": [],
                **_NO_VECTORS,
            }
        )
        return cast("SearchDocument", found.model_dump(mode="json"))

    def ask(
        self,
        question: str,
        *,
        conversation_id: str | None = None,
        asset_ids: Sequence[str] = (),
        collections: Sequence[str] = (),
    ) -> AnswerDocument:
        members = {
            "question": question,
            "conversation_id": conversation_id,
            "asset_ids": list(asset_ids),
            "collections": list(collections),
        }
        asked = read_body(server.AskRequest, members)
        with as_client_errors():
            parsed = parse_query(asked.question)
            turns = [] if conversation_id is None else self._find_turns(conversation_id)
        identity = conversation_id or str(uuid4())
        self._conversations.pop(identity, None)
        turn = {
            "number": len(turns) + 1,
            "question": question,
            "standalone_question": parsed.text,
            "answer": "",
            "created_at": datetime.now(UTC).isoformat(),
        }
        # Put in again: the one used last is the last.
        self._conversations[identity] = [*turns, turn]
        document = {
            "answer": "",
            "citations": [],
            "moments": [],
            "question": parsed.text,
            "is_follow_up": False,
            "mode": "extractive",
            "abstained": True,
            "abstain_reason": "nothing-found",
            "model": "",
            "model_error": "",
            "dropped": {},
            "hidden_passages": 0,
            "conversation_id": identity,
            **_NO_VECTORS,
        }
        answer = server.AnswerDocument.model_validate(document)
        return cast("AnswerDocument", answer.model_dump(mode="json"))

    def ask_events(
        self,
        question: str,
        *,
        conversation_id: str | None = None,
        asset_ids: Sequence[str] = (),
        collections: Sequence[str] = (),
    ) -> Iterator[AnswerEvent]:
        answer: dict[str, Any] = dict(
            self.ask(
                question,
                conversation_id=conversation_id,
                asset_ids=asset_ids,
                collections=collections,
            )
        )
        for name, model in (
            ("retrieval", server.RetrievalEventDocument),
            ("done", server.DoneEventDocument),
        ):
            yield AnswerEvent(name, model.model_validate(answer).model_dump(mode="json"))

    def conversations(self, *, limit: int = 50) -> list[ConversationDocument]:
        check_limit(limit)
        newest_first = reversed(self._conversations.items())
        found = [
            {
                "id": identity,
                "used_at": turns[-1]["created_at"],
                "turn_count": len(turns),
                "question": turns[-1]["question"],
            }
            for identity, turns in newest_first
        ]
        return cast("list[ConversationDocument]", found[:limit])

    def conversation(self, conversation_id: str) -> dict[str, Any]:
        with as_client_errors():
            turns = self._find_turns(conversation_id)
        found = server.ConversationDetails.model_validate({"id": conversation_id, "turns": turns})
        return found.model_dump(mode="json")

    def delete_conversation(self, conversation_id: str) -> None:
        with as_client_errors():
            self._find_turns(conversation_id)
        del self._conversations[conversation_id]

    def entities(self, name: str) -> list[EntityDocument]:
        if not 1 <= len(name) <= 255 or "\x00" in name:
            raise parameter_invalid("name", "must be 1 to 255 characters")
        return []

    def entity(self, entity_id: str) -> EntityDocument:
        with as_client_errors():
            raise NotFound(f"There is no entity {entity_id}.", code="entity_not_found")

    def findings(
        self,
        asset_id: str,
        *,
        kind: str | None = None,
        start: float | None = None,
        end: float | None = None,
    ) -> Iterator[FindingDocument]:
        with as_client_errors():
            self._assets.find(asset_id)
        if kind is not None and kind not in set(FindingKind):
            raise parameter_invalid("kind", f"must be one of {', '.join(FindingKind)}")
        for name, seconds in (("start", start), ("end", end)):
            if seconds is not None and not 0 <= seconds <= server.LONGEST_SECONDS:
                raise parameter_invalid(name, "must be seconds from the video's start")
        return iter(())

    def _find_turns(self, conversation_id: str) -> Turns:
        if conversation_id not in self._conversations:
            raise NotFound(
                f"There is no conversation {conversation_id}.", code="conversation_not_found"
            )
        return self._conversations[conversation_id]
