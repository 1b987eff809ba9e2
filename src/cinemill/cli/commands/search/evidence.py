"""The evidence of an entity's relations to one other entity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cinemill.cli.commands.search.moments import format_range
from cinemill.cli.console import console, make_table
from cinemill.errors import NotFound

if TYPE_CHECKING:
    from cinemill.client import Client, EntityDocument, RelationDocument, StatementDocument

MOST_RELATIONS = 100
MOST_EVIDENCE = 2000
"""Of an entity, of which the server looks at no more."""


@dataclass(frozen=True, slots=True)
class RelationEvidence:
    """A relation with every moment that says or shows it."""

    relation: RelationDocument
    statements: Sequence[StatementDocument]

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {"relation": self.relation, "statements": self.statements}


def read_evidence(
    client: Client, entities: Sequence[EntityDocument], other: str
) -> tuple[EntityDocument, list[RelationEvidence]]:
    """Return the relations to another entity, by its name in any case or its id.

    ``entities`` are those of one name, such as a person and a place; the first that has such
    relations is returned with them. Raises NotFound where none has.
    """
    wanted = other.casefold()
    for entity in entities:
        related = [
            one
            for one in entity["relations"]
            if wanted in (one["entity"]["id"], one["entity"]["name"].casefold())
        ]
        if related:
            evidence = (list(client.evidence(entity["id"], one)) for one in related)
            return entity, [*map(RelationEvidence, related, evidence)]
    raise _relation_not_found(entities, other)


def _relation_not_found(entities: Sequence[EntityDocument], other: str) -> NotFound:
    name = entities[0]["name"]
    if any(_is_cut(entity["relations"]) for entity in entities):
        return NotFound(
            f"No relation with {other} is among the {MOST_RELATIONS} strongest of {name}; weaker "
            "ones were not looked at.",
            code="relation_not_found",
            hint=f"Try it the other way round: cinemill graph '{other}' --with '{name}'",
        )
    known = dict.fromkeys(one["entity"]["name"] for each in entities for one in each["relations"])
    listed = ", ".join([*known][:5])
    return NotFound(
        f"No video states a relation of {name} with {other}.",
        code="relation_not_found",
        hint=f"It has relations with: {listed}." if listed else "It has no relations.",
    )


def _is_cut(relations: Sequence[RelationDocument]) -> bool:
    count = sum(one["weight"] for one in relations)
    return len(relations) >= MOST_RELATIONS or count >= MOST_EVIDENCE


def show_evidence(
    entity: EntityDocument, found: Sequence[RelationEvidence], titles: Mapping[str, str]
) -> None:
    """Print each relation with its moments."""
    for one in found:
        console().print(describe_relation(entity, one.relation))
        table = make_table("!Time", "!Video", "!Asset", "Text")
        for statement in one.statements:
            table.add_row(
                format_range(statement["start"], statement["end"]),
                titles.get(statement["asset_id"], ""),
                statement["asset_id"],
                " ".join(statement["text"].split()) or _write_triple(statement),
            )
        console().print(table)


def describe_relation(entity: EntityDocument, relation: RelationDocument) -> str:
    """Return a relation in words: ``Alice Walker · open · Oslo (negated)``."""
    names = [entity["name"], relation["entity"]["name"]]
    subject, object_ = names if relation["is_subject"] else reversed(names)
    marks = [word for word in ("negated", "possible") if relation.get(f"is_{word}")]
    said = f"{subject} · {relation['predicate']} · {object_}"
    return f"{said} ({', '.join(marks)})" if marks else said


def _write_triple(statement: StatementDocument) -> str:
    return f"{statement['subject']} · {statement['predicate']} · {statement['object']}"
