"""Conversations of an owner: earlier turns as they are stored, and a new one."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from pydantic import ValidationError

from cinemill.capabilities.search.conversation.turns import MOST_ENTITIES, Turn, TurnEntity
from cinemill.capabilities.search.language.words import find_names, fold
from cinemill.capabilities.search.runtime.requests import SearchResult
from cinemill.capabilities.search.runtime.resources import SearchResources
from cinemill.core.documents import JsonObject
from cinemill.core.files.strict_model import StrictModel
from cinemill.core.knowledge.graph import EntityKind
from cinemill.core.retrieval.hits import SearchFilters
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.storage.knowledge.entities import find_entities
from cinemill.storage.knowledge.labels import label_entities
from cinemill.storage.retrieval import conversations
from cinemill.storage.retrieval.conversations import StoredTurn
from cinemill.telemetry import get_logger

log = get_logger(__name__)

_MARKS = re.compile(r"\s*(?:\[\d+\])+")


class _Entity(StrictModel):
    name: str
    kind: EntityKind | None = None
    entity_id: str = ""


class _Filters(StrictModel):
    """What a follow-up takes over."""

    asset_ids: tuple[str, ...] = ()
    tracks: tuple[PassageTrack, ...] = ()
    languages: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    entity_ids: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    created_from: datetime | None = None
    created_to: datetime | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    least_confidence: float | None = None


class TurnContext(StrictModel):
    """What of a turn is stored for the next question, besides its texts."""

    entities: tuple[_Entity, ...] = ()
    filters: _Filters = _Filters()
    collections: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """Earlier turns, oldest first, and the collections that the last one searched."""

    turns: tuple[Turn, ...] = ()
    collections: tuple[str, ...] = ()
    asset_ids: frozenset[str] = frozenset()
    """Videos that the turns quote."""


def read_history(resources: SearchResources, conversation_id: str | None) -> History:
    """Return the turns of an owner's conversation; none for a new one.

    Raises NotFound (``conversation_not_found``), also for another owner's.
    """
    if conversation_id is None:
        return History()
    with resources.database.begin() as connection:
        stored = conversations.list_turns(connection, conversation_id, resources.owner)
    contexts = [_read_context(one.turn.context) for one in stored]
    turns = tuple(_read_turn(one, context) for one, context in zip(stored, contexts, strict=True))
    quoted = frozenset(asset_id for one in stored for asset_id in one.asset_ids)
    return History(turns, contexts[-1].collections if contexts else (), quoted)


def store_turn(
    resources: SearchResources,
    conversation_id: str | None,
    turn: Turn,
    *,
    collections: Sequence[str] = (),
    quoted: Collection[str] = (),
) -> str:
    """Store a turn, in a new conversation where there is none, and return the conversation's id.

    ``quoted`` are the videos that the question or the answer repeats: the turn is deleted with the
    first of them that is. Raises NotFound (``conversation_not_found``).
    """
    context = TurnContext(
        entities=tuple(_Entity(**asdict(one)) for one in turn.entities),
        filters=_Filters(**asdict(turn.filters)),
        collections=tuple(collections),
    )
    stored = conversations.Turn(
        turn.question, turn.standalone, turn.answer, context.model_dump(mode="json")
    )
    with resources.database.begin() as connection:
        if conversation_id is None:
            conversation_id = conversations.create_conversation(connection, resources.owner)
        conversations.add_turn(
            connection, conversation_id, resources.owner, stored, asset_ids=quoted
        )
    return conversation_id


def find_turn_entities(
    resources: SearchResources, found: SearchResult, answer: str
) -> tuple[TurnEntity, ...]:
    """Return what a question and its answer name, those that the graph knows with their kinds."""
    names = list(dict.fromkeys([*found.query.names, *find_names(answer)]))[:MOST_ENTITIES]
    with resources.database.begin() as connection:
        ids = find_entities(connection, resources.owner, names)
        labels = label_entities(
            connection, resources.owner, [one for listed in ids.values() for one in listed]
        )
    named = [
        TurnEntity(name, labels[ids[name][0]].kind, ids[name][0])
        for name in names
        if name in ids and ids[name][0] in labels
    ]
    have = {fold(one.name) for one in named}
    # Those that were typed in lower case are known by the search.
    named += [
        TurnEntity(one.name, one.kind, one.id)
        for one in found.entities
        if fold(one.name) not in have
    ]
    return tuple(named[:MOST_ENTITIES])


def remove_marks(answer: str) -> str:
    """Return an answer without the numbers of its citations."""
    return _MARKS.sub("", answer).strip()


def _read_turn(stored: StoredTurn, context: TurnContext) -> Turn:
    return Turn(
        question=stored.turn.question,
        standalone=stored.turn.standalone_question,
        answer=stored.turn.answer,
        entities=tuple(TurnEntity(**dict(one)) for one in context.entities),
        filters=SearchFilters(**dict(context.filters)),
    )


def _read_context(document: JsonObject) -> TurnContext:
    """Return what was stored; nothing of what another version wrote and this one cannot read."""
    try:
        return TurnContext.model_validate_json(json.dumps(document))
    except ValidationError as error:
        log.warning("the context of a turn cannot be read", problems=error.error_count())
        return TurnContext()
