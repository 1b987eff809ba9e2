"""Moments that look like a picture, or like another moment."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli.arguments.videos import find_video_id
from cinemill.cli.commands.search.moments import format_clock, format_range
from cinemill.cli.console import console, make_table, print_message, shorten_to_fit
from cinemill.cli.ids import shorten
from cinemill.cli.input_files import FileUnusable, find_unreadable

if TYPE_CHECKING:
    from cinemill.client import Client, PictureSearchDocument

_CLOCK = re.compile(r"(?:(\d+):)?([0-5]?\d):([0-5]?\d(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class Place:
    """A moment of a video."""

    asset_id: str
    seconds: float


def parse_place(text: str) -> Place:
    """Return the moment that ``ASSET@TIME`` names; TIME is seconds or a clock.

    Raises typer.BadParameter.
    """
    asset_id, _, time = text.rpartition("@")
    seconds = _parse_time(time)
    if not asset_id or seconds is None:
        raise typer.BadParameter(
            f"{text!r} is not a video's ID and a time, such as ID@12.5 or ID@01:05"
        )
    return Place(asset_id, seconds)


Picture = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Find moments that look like this JPEG or PNG file."),
]
Like = Annotated[
    Place | None,
    typer.Option(
        metavar="VIDEO@TIME",
        parser=parse_place,
        help="Find moments that look like this one; TIME is seconds or HH:MM:SS.",
    ),
]


@dataclass(frozen=True, slots=True)
class Narrowing:
    """How many moments are found, and where."""

    limit: int
    asset_ids: Sequence[str]
    collections: Sequence[str]


def find_moments(
    client: Client, picture: Path | None, like: Place | None, chosen: Narrowing
) -> PictureSearchDocument:
    """Return the moments that look like the one of the two that is given.

    Raises FileUnusable where the picture cannot be read.
    """
    if like is not None:
        return client.similar_moments(
            find_video_id(client, like.asset_id),
            like.seconds,
            limit=chosen.limit,
            asset_ids=chosen.asset_ids,
            collections=chosen.collections,
        )
    if picture is None:
        raise ValueError("give a picture or a moment")
    for unreadable in find_unreadable({picture.name: picture}).values():
        raise unreadable
    try:
        return client.search_by_picture(
            picture,
            limit=chosen.limit,
            asset_ids=chosen.asset_ids,
            collections=chosen.collections,
        )
    except OSError as error:
        raise FileUnusable(f"{picture} cannot be read: {error.strerror}.") from error


def find_titles(client: Client, found: PictureSearchDocument) -> dict[str, str]:
    """Return the file names of the videos that were found, by their ids."""
    ids = {moment["asset_id"] for moment in found.get("moments", ())}
    return {one: str(client.asset(one).get("filename", "")) for one in sorted(ids)}


def show_found(found: PictureSearchDocument, titles: dict[str, str]) -> None:
    """Print the moments, the most similar first."""
    moments = found.get("moments")
    if not moments:
        print_message("Nothing found.")
        return
    table = make_table("!Time", "!Picture at", "!Video", "!Asset", "!>Score")
    for moment in moments:
        table.add_row(
            format_range(moment["start"], moment["end"]),
            format_clock(moment["picture_time"]),
            shorten_to_fit(titles.get(moment["asset_id"], "")),
            shorten(moment["asset_id"]),
            f"{moment['score']:.2f}",
        )
    console().print(table)


def _parse_time(text: str) -> float | None:
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, rest = clock.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(rest)
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
