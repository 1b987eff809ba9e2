"""Entities of the graph: their names, relations with evidence, and moments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Query

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.models.documents import Name
from cinemill.api.models.pages import (
    Cursor,
    CursorInvalid,
    PageLimit,
    cut_page,
    decode_cursor,
    encode_cursor,
)
from cinemill.api.models.problems import problems
from cinemill.api.models.search.knowledge import (
    CoOccurrenceDocument,
    EntityDetails,
    EntityList,
    EntityMomentDocument,
    EvidencePage,
    NamedEntityDocument,
    RelationDocument,
    RelationQuery,
    StatementDocument,
    write_label,
)
from cinemill.api.state import StateDep
from cinemill.core.job import DEFAULT_OWNER
from cinemill.core.retrieval.hits import SearchScope
from cinemill.core.text.storable_text import Text
from cinemill.storage.database import Connection
from cinemill.storage.knowledge.entities import (
    find_entities,
    find_similar_entities,
    get_entity,
    list_co_occurrences,
    list_moments,
    list_relations,
)
from cinemill.storage.knowledge.labels import label_entities
from cinemill.storage.knowledge.statements import list_evidence, list_statements

router = APIRouter(tags=["search"], route_class=BoundedRoute)

_Place = tuple[str, int, str, int]
"""Video, start in milliseconds, modality and number of a moment or a piece of evidence."""

MOST_RELATIONS = 100
MOST_CO_OCCURRENCES = 50
MOST_SIMILAR = 10


@router.get("/entities", responses=problems(422))
def list_entities(
    state: StateDep,
    name: Annotated[Text, Query(min_length=1, max_length=255)],
    limit: PageLimit = 100,
    cursor: Cursor = None,
) -> EntityList:
    """Find entities by a name in any case; those with similar names follow, as suggestions."""
    last = None if cursor is None else decode_cursor(cursor, 1)[0]
    with state.database.begin() as connection:
        exact = find_entities(connection, DEFAULT_OWNER, [name]).get(name, [])
        similar = find_similar_entities(connection, DEFAULT_OWNER, name, limit=MOST_SIMILAR)
        scores = {one.canonical_id: one.score for one in reversed(similar)}
        ids = dict.fromkeys([*exact, *(one.canonical_id for one in similar)])
        labels = label_entities(connection, DEFAULT_OWNER, list(ids))
    page, has_more = cut_page(_list_after(last, [one for one in ids if one in labels]), limit)
    return EntityList(
        entities=[
            NamedEntityDocument(
                **dict(write_label(labels[one])),
                score=1.0 if one in exact else min(1.0, scores[one]),
            )
            for one in page
        ],
        next=encode_cursor(page[-1]) if has_more else None,
    )


def _list_after(last: str | None, ids: list[str]) -> list[str]:
    """Return the ids after the last one of a page. Raises CursorInvalid where it is not there."""
    if last is None:
        return ids
    if last not in ids:
        raise CursorInvalid("This cursor does not belong to this list.")
    return ids[ids.index(last) + 1 :]


@router.get("/entities/{entity_id}", responses=problems(404, 422))
def read_entity(
    entity_id: Text,
    state: StateDep,
    collection: Annotated[list[Name] | None, Query(max_length=200)] = None,
    limit: PageLimit = 50,
    cursor: Cursor = None,
) -> EntityDetails:
    """Return an entity with its relations, the evidence of these, and a page of its moments.

    Of an entity that was merged into another, the other is returned. With a `cursor`, only its
    names and moments are: the other lists are empty.
    """
    scope = SearchScope(DEFAULT_OWNER, tuple(collection or ()))
    after = _decode_place(cursor)
    with state.database.begin() as connection:
        entity = get_entity(connection, DEFAULT_OWNER, entity_id)
        moments = list_moments(connection, scope, entity.id, after=after, limit=limit + 1)
        found = _Neighbors() if after else _list_neighbors(connection, scope, entity.id)
    page, has_more = cut_page(moments, limit)
    return EntityDetails(
        id=entity.id,
        kind=entity.kind,
        name=entity.name,
        names=list(entity.names),
        mention_count=entity.mention_count,
        asset_count=entity.asset_count,
        relations=found.relations,
        statements=found.statements,
        co_occurrences=found.co_occurrences,
        moments=[EntityMomentDocument.from_record(one) for one in page],
        next=_encode_place(page[-1].place) if has_more else None,
    )


@router.get("/entities/{entity_id}/evidence", responses=problems(404, 422))
def list_relation_evidence(
    entity_id: Text,
    state: StateDep,
    relation: Annotated[RelationQuery, Query()],
) -> EvidencePage:
    """List the moments that say or show one relation of an entity, by video and time.

    The relation is named by the members of an entry of the entity's `relations`. All ids may be
    those of entities that were merged into others.
    """
    scope = SearchScope(DEFAULT_OWNER, tuple(relation.collection))
    after = _decode_place(relation.cursor)
    with state.database.begin() as connection:
        entity = get_entity(connection, DEFAULT_OWNER, entity_id)
        found = list_evidence(
            connection, scope, entity.id, relation.to_key(), after=after, limit=relation.limit + 1
        )
    page, has_more = cut_page(found, relation.limit)
    return EvidencePage(
        statements=[StatementDocument.from_record(one) for one in page],
        next=_encode_place(page[-1].place) if has_more else None,
    )


@dataclass(frozen=True, slots=True)
class _Neighbors:
    """What is known of an entity and others."""

    relations: list[RelationDocument] = field(default_factory=list)
    statements: list[StatementDocument] = field(default_factory=list)
    co_occurrences: list[CoOccurrenceDocument] = field(default_factory=list)


def _list_neighbors(connection: Connection, scope: SearchScope, entity_id: str) -> _Neighbors:
    relations = list_relations(connection, scope, entity_id, limit=MOST_RELATIONS)
    statements = list_statements(connection, scope, entity_id, limit=MOST_RELATIONS)
    together = list_co_occurrences(connection, scope, entity_id, limit=MOST_CO_OCCURRENCES)
    others = {one.entity_id for one in relations} | {one.entity_id for one in together}
    labels = label_entities(connection, scope.owner, others)
    return _Neighbors(
        [
            RelationDocument.from_record(one, write_label(labels[one.entity_id]))
            for one in relations
            if one.entity_id in labels
        ],
        [StatementDocument.from_record(one) for one in statements],
        [
            CoOccurrenceDocument.from_record(one, write_label(labels[one.entity_id]))
            for one in together
            if one.entity_id in labels
        ],
    )


def _encode_place(place: _Place) -> str:
    return encode_cursor(*(str(part) for part in place))


def _decode_place(cursor: str | None) -> _Place | None:
    if cursor is None:
        return None
    asset_id, start_ms, modality, number = decode_cursor(cursor, 4)
    if not all(part.isascii() and part.isdecimal() for part in (start_ms, number)):
        raise CursorInvalid("This cursor does not belong to this list.")
    place = (asset_id, int(start_ms), modality, int(number))
    if place[1] >= 2**63 or place[3] >= 2**31:
        raise CursorInvalid("This cursor does not belong to this list.")
    return place
