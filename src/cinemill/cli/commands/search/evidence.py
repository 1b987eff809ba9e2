"""The evidence of an entity's relations to one other entity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cinemill.cli.commands.search.moments import format_range
from cinemill.cli.console import console, make_table
from cinemill.cli.ids import shorten
from cinemill.errors import NotFound

if TYPE_CHECKING:
    from cinemill.client import Client, EntityDocument, RelationDocument, StatementDocument


@dataclass(frozen=True, slots=True)
class RelationEvidence:
    """A relation with every moment that says or shows it."""

    relation: RelationDocument
    statements: Sequence[StatementDocument]

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {"relation": self.relation, "statements": self.statements}


def read_evidence(client: Client, entity: EntityDocument, other: str) -> list[RelationEvidence]:
    """Return the relations of an entity to another, by its name in any case or its id.

    Raises NotFound where there is none.
    """
    wanted = other.casefold()
    related = [
        one
        for one in entity["relations"]
        if wanted in (one["entity"]["id"], one["entity"]["name"].casefold())
    ]
    if not related:
        known = dict.fromkeys(one["entity"]["name"] for one in entity["relations"])
        listed = ", ".join([*known][:5])
        raise NotFound(
            f"No video states a relation of {entity['name']} with {other}.",
            code="relation_not_found",
            hint=f"It has relations with: {listed}." if listed else "It has no relations.",
        )
    return [RelationEvidence(one, list(client.evidence(entity["id"], one))) for one in related]


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
                shorten(statement["asset_id"]),
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
