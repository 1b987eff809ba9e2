"""Conversations: what was asked and answered before, which follow-up questions go on with."""

from __future__ import annotations

from fastapi import APIRouter, Response

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.models.pages import (
    Cursor,
    PageLimit,
    cut_page,
    decode_position,
    encode_position,
)
from cinemill.api.models.problems import problems
from cinemill.api.models.search.searches import (
    ConversationDetails,
    ConversationDocument,
    ConversationPage,
    TurnDocument,
)
from cinemill.api.state import StateDep
from cinemill.core.job import DEFAULT_OWNER
from cinemill.core.text.storable_text import Text
from cinemill.errors import NotFound
from cinemill.storage.retrieval import conversations

router = APIRouter(tags=["search"], route_class=BoundedRoute)


@router.get("/conversations", responses=problems(422))
def list_conversations(
    state: StateDep, limit: PageLimit = 50, cursor: Cursor = None
) -> ConversationPage:
    """List conversations, the one used last first."""
    with state.database.begin() as connection:
        found = conversations.summarize_conversations(
            connection, DEFAULT_OWNER, after=decode_position(cursor), limit=limit + 1
        )
    page, has_more = cut_page(found, limit)
    return ConversationPage(
        conversations=[ConversationDocument.from_record(one) for one in page],
        next=encode_position(page[-1].used_at, page[-1].id) if has_more else None,
    )


@router.get("/conversations/{conversation_id}", responses=problems(404))
def read_conversation(conversation_id: Text, state: StateDep) -> ConversationDetails:
    """Return the turns of a conversation, oldest first."""
    with state.database.begin() as connection:
        turns = conversations.list_turns(connection, conversation_id, DEFAULT_OWNER)
    return ConversationDetails(
        id=conversation_id, turns=[TurnDocument.from_record(one) for one in turns]
    )


@router.delete("/conversations/{conversation_id}", status_code=204, responses=problems(404))
def delete_conversation(conversation_id: Text, state: StateDep) -> Response:
    """Delete a conversation."""
    with state.database.begin() as connection:
        is_deleted = conversations.delete_conversation(connection, conversation_id, DEFAULT_OWNER)
    if not is_deleted:
        raise NotFound(
            f"There is no conversation {conversation_id}.", code="conversation_not_found"
        )
    return Response(status_code=204)
