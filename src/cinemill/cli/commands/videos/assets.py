"""``cinemill assets``: the stored videos, and what is known of one."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cinemill.cli import connect, options
from cinemill.cli.arguments.completion import complete_collections
from cinemill.cli.arguments.default_command import DefaultCommandGroup
from cinemill.cli.arguments.videos import MOST_LISTED, find_video_id
from cinemill.cli.console import (
    console,
    format_age,
    format_duration,
    format_size,
    make_table,
    print_json,
    print_message,
    shorten_to_fit,
)
from cinemill.cli.ids import shorten

if TYPE_CHECKING:
    from cinemill.client import AssetDocument


class AssetGroup(DefaultCommandGroup):
    """``assets`` alone lists the videos."""

    default_command = "list"


app = typer.Typer(
    cls=AssetGroup,
    help="List the stored videos, and show one with its files; 'cinemill rm' deletes them.",
)


@app.command("list")
def list_assets(
    collection: Annotated[
        str | None,
        typer.Option(
            help="Show only videos of this collection.", autocompletion=complete_collections
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=MOST_LISTED, help="Maximum number of videos to show.")
    ] = 20,
    json: options.Json = False,
) -> None:
    """List the stored videos, newest first.

    The short IDs and the names shown here work in every command; --json shows full IDs.
    """
    with connect.connect() as client:
        # The server lists all collections; what is left out must not count towards the limit.
        found = client.assets(limit=limit if collection is None else MOST_LISTED)
    if collection is not None:
        found = [one for one in found if one.get("collection", "") == collection][:limit]
    if json:
        print_json(found)
    elif not found:
        none_yet = "No videos yet. Upload one with 'cinemill submit FILE'."
        print_message("No such videos." if collection is not None else none_yet)
    else:
        _show_list(found)
        if len(found) == limit < MOST_LISTED:
            narrowed = "" if collection is None else f" --collection {shlex.quote(collection)}"
            more = min(10 * limit, MOST_LISTED)
            print_message(f"There may be more: cinemill assets{narrowed} --limit {more}")


def _show_list(found: list[AssetDocument]) -> None:
    with_collections = any(one.get("collection") for one in found)
    heads = ("!Video", "Name", "!>Size", "!>Length", "!>Age")
    table = make_table(*heads, *(("Collection",) if with_collections else ()))
    for one in found:
        table.add_row(
            shorten(str(one["id"])),
            shorten_to_fit(str(one.get("filename", ""))),
            format_size(one.get("size_bytes", 0)),
            format_duration(_read_length(one)),
            format_age(one.get("created_at")),
            *((str(one.get("collection") or ""),) if with_collections else ()),
        )
    console().print(table)


@app.command("show")
def show_asset(video: options.Video, json: options.Json = False) -> None:
    """Show a stored video: what it is, and the files that were made of it."""
    with connect.connect() as client:
        found = client.asset(find_video_id(client, video))
    if json:
        print_json(found)
        return
    facts = make_table("!", "")
    facts.show_header = False
    for label, value in _describe(found):
        if value:
            facts.add_row(label, value)
    screen = console()
    screen.print(facts)
    _show_files(found)
    print_message(f"\nIts jobs: cinemill jobs --asset {shorten(str(found['id']))}")


def _describe(found: AssetDocument) -> Iterator[tuple[str, str]]:
    media: dict[str, Any] = found.get("media") or {}
    picture = (media.get("video") or [{}])[0] if isinstance(media.get("video"), list) else {}
    picture = media["video"] if isinstance(media.get("video"), dict) else picture
    yield "Video", str(found["id"])
    yield "Name", str(found.get("filename", ""))
    yield "Also called", ", ".join(found.get("other_names") or ())
    yield "Collection", str(found.get("collection") or "")
    yield "Size", format_size(found.get("size_bytes", 0))
    yield "Length", format_duration(_read_length(found))
    if picture.get("width") and picture.get("height"):
        yield (
            "Picture",
            f"{picture['width']}×{picture['height']} {picture.get('codec', '')}".strip(),
        )
    if media and not picture:
        yield "Sound", _describe_sound(found)
    age = format_age(found.get("created_at"))
    yield "Added", f"{age} ago" if age else ""
    yield "SHA-256", str(found.get("sha256", ""))


def _describe_sound(found: AssetDocument) -> str:
    """Return codec and channels of the first track of a source that is sound alone."""
    tracks = (found.get("media") or {}).get("audio") or [{}]
    track: dict[str, Any] = tracks[0]
    channels = track.get("channels") or 0
    return f"{track.get('codec', '')}, {channels} channel{'s' if channels != 1 else ''}"


def _show_files(found: AssetDocument) -> None:
    from cinemill.cli.files.named_files import sort_files

    files = sort_files(found.get("artifacts") or ())
    if not files:
        return
    table = make_table("!File", ">Size", "Name")
    for one in files:
        table.add_row(one["kind"], format_size(one["size_bytes"]), str(one.get("filename", "")))
    screen = console()
    screen.print()
    screen.print(table)


def _read_length(found: AssetDocument) -> float | None:
    seconds = (found.get("media") or {}).get("duration_seconds_from_header")
    return float(seconds) if isinstance(seconds, int | float) else None
