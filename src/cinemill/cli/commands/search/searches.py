"""``cinemill search``: moments of all videos."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli import connect, options
from cinemill.cli.arguments.videos import find_video_ids
from cinemill.cli.commands.search.moments import show_moments, show_vectors_hint
from cinemill.cli.commands.search.narrowing import Assets, Collections, Speakers
from cinemill.cli.commands.search.pictures import (
    Like,
    Narrowing,
    Picture,
    find_moments,
    find_titles,
    show_found,
)
from cinemill.cli.console import print_json, print_message

if TYPE_CHECKING:
    from cinemill.client import SearchDocument


class Mode(StrEnum):
    """What finds moments."""

    HYBRID = "hybrid"
    SEMANTIC = "semantic"
    GRAPH = "graph"


def search(
    query: Annotated[
        str | None,
        typer.Argument(metavar="QUERY", help="Words, a question, or names in any case."),
    ] = None,
    mode: Annotated[
        Mode,
        typer.Option(help="hybrid, semantic (meaning alone) or graph (entities and relations)."),
    ] = Mode.HYBRID,
    picture: Picture = None,
    like: Like = None,
    asset: Assets = None,
    collection: Collections = None,
    speaker: Speakers = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Maximum number of moments.")] = 10,
    json: options.Json = False,
) -> None:
    """Find the moments of all videos that answer a query, or that look like a picture.

    Words in double quotes are found in this order only.
    """
    if sum(one is not None for one in (query, picture, like)) != 1:
        raise typer.BadParameter(
            "give one of a query, --picture and --like", param_hint="QUERY/--picture/--like"
        )
    if speaker and query is None:
        raise typer.BadParameter("pictures have no speaker: give a query", param_hint="--speaker")
    with connect.connect() as client:
        if query is None:
            chosen = Narrowing(limit, find_video_ids(client, asset), collection or ())
            moments = find_moments(client, picture, like, chosen)
            if json:
                print_json(moments)
            else:
                show_found(moments, find_titles(client, moments))
            return
        found = client.search(
            query,
            mode=mode.value,
            limit=limit,
            asset_ids=find_video_ids(client, asset),
            collections=collection or (),
            speakers=speaker or (),
        )
    if json:
        print_json(found)
        return
    _show_search(found)


def _show_search(found: SearchDocument) -> None:
    show_vectors_hint(found.get("vectors", ""), found.get("vectors_hint", ""))
    if hits := found.get("hits"):
        show_moments(hits)
    elif nearest := found.get("nearest"):
        print_message("Nothing found. Nearest:")
        show_moments(nearest)
    else:
        print_message("Nothing found.")
