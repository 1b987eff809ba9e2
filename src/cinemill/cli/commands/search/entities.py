"""``cinemill graph``: an entity with what videos say of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli import connect, options
from cinemill.cli.commands.search.evidence import read_evidence, show_evidence
from cinemill.cli.commands.search.moments import format_range
from cinemill.cli.console import console, make_table, print_json, print_message
from cinemill.errors import NotFound

if TYPE_CHECKING:
    from cinemill.client import Client, EntityDocument, StatementDocument


def graph(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of a person, place or thing, or an ID.")
    ],
    other: Annotated[
        str | None,
        typer.Option(
            "--with",
            metavar="NAME",
            help="Show every moment that states a relation with this entity, by its name or ID.",
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Show an entity: its names, its relations with their evidence, and its moments."""
    with connect.connect() as client:
        entity, others = _find_entity(client, name)
        if other is not None:
            _show_relations(client, [entity, *others], other, json=json)
            return
        shown = [str(one["asset_id"]) for one in (*entity["statements"], *entity["moments"])]
        titles = {} if json else _find_titles(client, shown)
    if json:
        print_json(entity)
        return
    _show_entity(entity, titles)
    if others:
        print_message("Others of this name:")
    for one in others:
        print_message(f"  {one['name']} ({one['kind']}): cinemill graph {one['id']}")


def _find_entity(client: Client, name: str) -> tuple[EntityDocument, list[EntityDocument]]:
    """Return the entity of a name or id, and others of the same name. Raises NotFound."""
    found = client.entities(name)
    exact = [one for one in found if one["score"] == 1]
    if exact:
        entities = [client.entity(one["id"]) for one in exact]
        entities.sort(key=lambda one: -one["mention_count"])
        return entities[0], entities[1:]
    if _is_id(name):
        return client.entity(name), []
    alike = ", ".join(one["name"] for one in found[:5])
    raise NotFound(
        f"No video mentions {name}.",
        code="entity_not_found",
        hint=f"Did you mean: {alike}?" if alike else "Search for it: cinemill search NAME.",
    )


def _is_id(text: str) -> bool:
    from uuid import UUID

    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _show_relations(
    client: Client, entities: Sequence[EntityDocument], other: str, *, json: bool
) -> None:
    """Print the relations of an entity to another with all of their evidence. Raises NotFound."""
    entity, found = read_evidence(client, entities, other)
    if json:
        print_json([one.to_json() for one in found])
        return
    ids = (statement["asset_id"] for one in found for statement in one.statements)
    show_evidence(entity, found, _find_titles(client, ids))


def _find_titles(client: Client, asset_ids: Iterable[str]) -> dict[str, str]:
    """Return the file names of these videos, by their ids."""
    return {one: str(client.asset(one).get("filename", "")) for one in sorted(set(asset_ids))}


def _show_entity(entity: EntityDocument, titles: dict[str, str]) -> None:
    screen = console()
    screen.print(f"{entity['name']} ({entity['kind']})")
    others = entity["names"][1:]
    if others:
        screen.print(f"Also: {', '.join(others)}")
    screen.print()
    if statements := entity["statements"]:
        table = make_table("!Time", "!Video", "!Asset", "Statement")
        for one in statements:
            table.add_row(*_describe_place(one, titles), _describe_statement(one))
        screen.print(table)
        screen.print()
    table = make_table("!Time", "!Video", "!Asset", "Mentioned as")
    for moment in entity["moments"]:
        mentioned = f"{moment['name']} ({moment['modality']})"
        table.add_row(*_describe_place(moment, titles), mentioned)
    screen.print(table)
    together = ", ".join(one["entity"]["name"] for one in entity["co_occurrences"][:10])
    if together:
        screen.print(f"\nMentioned together with: {together}")


def _describe_place(one: Mapping[str, object], titles: dict[str, str]) -> tuple[str, str, str]:
    asset_id = str(one["asset_id"])
    start, end = (float(str(one[name])) for name in ("start", "end"))
    return format_range(start, end), titles.get(asset_id, ""), asset_id


def _describe_statement(one: StatementDocument) -> str:
    """Return a statement in words: "Alice Walker · open · Oslo (not so; according to …)"."""
    marks = [
        word
        for word, holds in (
            ("negated", one["is_negated"]),
            ("possible", one["is_possible"]),
            (f"according to {one['according_to']}", one["according_to"]),
        )
        if holds
    ]
    said = f"{one['subject']} · {one['predicate']} · {one['object']}"
    return f"{said} ({'; '.join(marks)})" if marks else said
