"""Rows of conversations: what an owner asked, and what was answered, for follow-up questions.

A turn that quotes a video, or goes on from one that does, is deleted with the video.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, RowMapping, func, select, text
from sqlalchemy.dialects.postgresql import insert

from cinemill.core.documents import JsonObject
from cinemill.core.page_position import PagePosition
from cinemill.errors import NotFound
from cinemill.storage.retrieval import tables
from cinemill.storage.retrieval.passages import parse_ids

MOST_TURNS = 20
"""Of a conversation; the oldest are deleted first."""

_TURNS = tables.conversation_turn.c


@dataclass(frozen=True, slots=True)
class Turn:
    """A question with its answer."""

    question: str
    """As it was asked."""
    standalone_question: str
    """As it is understood without the turns before."""
    answer: str
    context: JsonObject = field(default_factory=dict)
    """What a follow-up question takes over, such as filters and entities."""


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """A turn and its place in the conversation, from 1."""

    number: int
    turn: Turn
    created_at: datetime
    asset_ids: frozenset[str] = frozenset()
    """Videos that it quotes."""


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """A conversation as a list shows it."""

    id: str
    used_at: datetime
    turn_count: int
    question: str
    """The last one, as it was asked."""


_SUMMARIZE = text(
    """
    SELECT conversation.id, used_at, turns.turn_count, last.question
    FROM conversation
    CROSS JOIN LATERAL (
        SELECT count(*) AS turn_count, max(number) AS number FROM conversation_turn
        WHERE conversation_id = conversation.id) AS turns
    JOIN conversation_turn AS last
        ON last.conversation_id = conversation.id AND last.number = turns.number
    WHERE owner = :owner AND (CAST(:at AS timestamptz) IS NULL
        OR (used_at, CAST(conversation.id AS text)) < (:at, :id))
    ORDER BY used_at DESC, CAST(conversation.id AS text) DESC LIMIT :limit
    """
)


def create_conversation(connection: Connection, owner: str) -> str:
    """Create a conversation without turns and return its id."""
    identity = uuid4()
    connection.execute(insert(tables.conversation).values(id=identity, owner=owner))
    return str(identity)


def add_turn(
    connection: Connection,
    conversation_id: str,
    owner: str,
    turn: Turn,
    *,
    asset_ids: Collection[str] = (),
) -> int:
    """Add a turn, with the videos that it quotes, and return its number.

    Only the last ``MOST_TURNS`` are kept. Where a quoted video was deleted meanwhile, the turn is
    not stored, and the number is that of the last one.

    Raises NotFound (``conversation_not_found``), also for another owner's.
    """
    identity = _lock(connection, conversation_id, owner)
    last = connection.execute(
        select(func.coalesce(func.max(_TURNS.number), 0)).where(_TURNS.conversation_id == identity)
    ).scalar_one()
    quoted = sorted(set(asset_ids))
    locked = text("SELECT id FROM asset WHERE id = ANY(:ids) ORDER BY id FOR KEY SHARE")
    kept = connection.execute(locked, {"ids": quoted}).scalars().all()
    if len(kept) < len(quoted):
        return int(last)
    number = int(last) + 1
    values = {
        "question": turn.question,
        "standalone_question": turn.standalone_question,
        "answer": turn.answer,
        "context": dict(turn.context),
    }
    key: dict[str, Any] = {"conversation_id": identity, "number": number}
    connection.execute(insert(tables.conversation_turn).values(**key, **values))
    if quoted:
        rows = [{**key, "asset_id": asset_id} for asset_id in quoted]
        connection.execute(insert(tables.turn_asset), rows)
    connection.execute(
        text("DELETE FROM conversation_turn WHERE conversation_id = :id AND number <= :oldest"),
        {"id": identity, "oldest": number - MOST_TURNS},
    )
    connection.execute(
        text("UPDATE conversation SET used_at = clock_timestamp() WHERE id = :id"),
        {"id": identity},
    )
    return number


def list_turns(connection: Connection, conversation_id: str, owner: str) -> list[StoredTurn]:
    """Return the turns, oldest first.

    Raises NotFound (``conversation_not_found``), also for another owner's.
    """
    columns = tables.conversation.c
    ids = parse_ids([conversation_id])
    query = select(columns.id).where(columns.id.in_(ids), columns.owner == owner)
    identity = connection.execute(query).scalar_one_or_none()
    if identity is None:
        raise _not_found(conversation_id)
    turns = (
        select(tables.conversation_turn)
        .where(_TURNS.conversation_id == identity)
        .order_by(_TURNS.number)
    )
    links = tables.turn_asset.c
    cited = select(links.number, links.asset_id).where(links.conversation_id == identity)
    quoted: dict[int, set[str]] = {}
    for number, asset_id in connection.execute(cited):
        quoted.setdefault(number, set()).add(asset_id)
    return [_read(row, quoted) for row in connection.execute(turns).mappings()]


def list_conversations(connection: Connection, owner: str, *, limit: int = 50) -> list[str]:
    """Return the ids of an owner's conversations, the one used last first."""
    columns = tables.conversation.c
    query = (
        select(columns.id)
        .where(columns.owner == owner)
        .order_by(columns.used_at.desc(), columns.id.desc())
        .limit(limit)
    )
    return [str(one) for one in connection.execute(query).scalars()]


def summarize_conversations(
    connection: Connection, owner: str, *, after: PagePosition | None = None, limit: int = 50
) -> list[ConversationSummary]:
    """Return an owner's conversations, the one used last first; those ``after`` a position.

    A conversation whose turns were all deleted with their videos is left out.
    """
    values = {
        "owner": owner,
        "limit": limit,
        "at": None if after is None else after.at,
        "id": None if after is None else after.id,
    }
    return [
        ConversationSummary(str(row.id), row.used_at, row.turn_count, row.question)
        for row in connection.execute(_SUMMARIZE, values)
    ]


def delete_conversation(connection: Connection, conversation_id: str, owner: str) -> bool:
    """Delete a conversation; return whether this owner had it."""
    statement = text("DELETE FROM conversation WHERE id = ANY(:ids) AND owner = :owner")
    values = {"ids": parse_ids([conversation_id]), "owner": owner}
    return connection.execute(statement, values).rowcount == 1


def delete_unused(connection: Connection, *, older_than_days: float, limit: int = 1000) -> int:
    """Delete at most ``limit`` conversations that were not used for so long; return how many."""
    return connection.execute(
        text(
            """
            -- An array, which is made once: see storage.analyses.
            DELETE FROM conversation WHERE id = ANY (ARRAY(
                SELECT id FROM conversation
                WHERE used_at < calendar_time() - make_interval(secs => :age)
                ORDER BY used_at LIMIT :limit FOR UPDATE SKIP LOCKED))
            """
        ),
        {"age": older_than_days * 86400, "limit": limit},
    ).rowcount


def _lock(connection: Connection, conversation_id: str, owner: str) -> Any:
    query = text("SELECT id FROM conversation WHERE id = ANY(:ids) AND owner = :owner FOR UPDATE")
    values = {"ids": parse_ids([conversation_id]), "owner": owner}
    identity = connection.execute(query, values).scalar_one_or_none()
    if identity is None:
        raise _not_found(conversation_id)
    return identity


def _not_found(conversation_id: str) -> NotFound:
    return NotFound(f"There is no conversation {conversation_id}.", code="conversation_not_found")


def _read(row: RowMapping, quoted: Mapping[int, Collection[str]]) -> StoredTurn:
    turn = Turn(row["question"], row["standalone_question"], row["answer"], row["context"])
    number = row["number"]
    return StoredTurn(number, turn, row["created_at"], frozenset(quoted.get(number, ())))
