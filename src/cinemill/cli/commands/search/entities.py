"""``cinemill graph``: an entity with what videos say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli import connect, options
from cinemill.cli.commands.search.moments import format_range
from cinemill.cli.console import console, make_table, print_json, print_message
from cinemill.cli.ids import shorten
from cinemill.errors import NotFound

if TYPE_CHECKING:
    from cinemill.client import Client, EntityDocument


def graph(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of a person, place or thing, or an ID.")
    ],
    json: options.Json = False,
) -> None:
    """Show an entity: its names, its relations with their evidence, and its moments."""
    with connect.connect() as client:
        entity, others = _find_entity(client, name)
        titles = {} if json else _find_titles(client, entity)
    if json:
        print_json(entity)
        return
    _show_entity(entity, titles)
    for other in others:
        print_message(
            f"Also called so: {other['name']} ({other['kind']}): cinemill graph {other['id']}"
        )


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


def _find_titles(client: Client, entity: EntityDocument) -> dict[str, str]:
    shown = [*entity.get("statements", []), *entity.get("moments", [])]
    ids = {str(one["asset_id"]) for one in shown}
    return {one: str(client.asset(one).get("filename", "")) for one in sorted(ids)}


def _show_entity(entity: EntityDocument, titles: dict[str, str]) -> None:
    screen = console()
    screen.print(f"{entity['name']} ({entity['kind']})", markup=False)
    others = entity["names"][1:]
    if others:
        screen.print(f"Also: {', '.join(others)}", markup=False)
    screen.print()
    if statements := entity["statements"]:
        table = make_table("!Time", "!Video", "!Asset", "Statement")
        for one in statements:
            table.add_row(*_describe_place(one, titles), _describe_statement(one))
        screen.print(table)
        screen.print()
    table = make_table("!Time", "!Video", "!Asset", "Mentioned as")
    for one in entity["moments"]:
        table.add_row(*_describe_place(one, titles), f"{one['name']} ({one['modality']})")
    screen.print(table)
    together = ", ".join(one["entity"]["name"] for one in entity["co_occurrences"][:10])
    if together:
        screen.print(f"\nMentioned together with: {together}", markup=False)


def _describe_place(one: dict[str, object], titles: dict[str, str]) -> tuple[str, str, str]:
    asset_id = str(one["asset_id"])
    start, end = (float(str(one[name])) for name in ("start", "end"))
    return format_range(start, end), titles.get(asset_id, ""), shorten(asset_id)


def _describe_statement(one: dict[str, object]) -> str:
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
