"""``cinemill chapters`` and ``cinemill scenes``: the parts of one video, and what they show."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from cinemill.cli import connect, options
from cinemill.cli.arguments.videos import find_video_id
from cinemill.cli.commands.search.moments import format_clock, format_range
from cinemill.cli.console import console, make_table, print_json, print_message
from cinemill.cli.ids import shorten

if TYPE_CHECKING:
    from cinemill.client import ChaptersDocument, KeyMomentDocument, SceneDocument


def chapters(video: options.Video, json: options.Json = False) -> None:
    """Show the chapters of a video and its key moments.

    A chapter begins where the subject changes; its title lists words that are typical of it. Key
    moments are passages that introduce names or state relations, quoted.
    """
    with connect.connect() as client:
        asset_id = find_video_id(client, video)
        found = client.chapters(asset_id)
    if json:
        print_json(found)
        return
    _show_chapters(shorten(asset_id), found)


def _show_chapters(video: str, found: ChaptersDocument) -> None:
    if not found["chapters"]:
        print_message(
            "This video has no chapters: it has one subject, or is too short."
            if found["track"]
            else f"Too little is known of what this video says. {_suggest_ingestion(video)}"
        )
    else:
        table = make_table("!Start", "Chapter")
        for one in found["chapters"]:
            table.add_row(format_clock(one["start"]), one["title"])
        console().print(table)
    if moments := found["key_moments"]:
        console().print("\nKey moments")
        table = make_table("!Time", "Text", "Why")
        for moment in moments:
            clocks = format_range(moment["start"], moment["end"])
            table.add_row(clocks, moment["text"], _explain(moment))
        console().print(table)


def _suggest_ingestion(video: str) -> str:
    """Return a hint that ends with a command, so without a full stop."""
    return f"Find out more about it: cinemill ingest {video}"


def _explain(moment: KeyMomentDocument) -> str:
    """Return why a moment is a key moment: ``names Alice Walker, Oslo; states 2 relations``."""
    names, count = moment["names"], moment["statement_count"]
    reasons = [
        *([f"names {', '.join(names)}"] if names else []),
        *([f"states {count} {'relation' if count == 1 else 'relations'}"] if count else []),
    ]
    return "; ".join(reasons)


def scenes(video: options.Video, json: options.Json = False) -> None:
    """Show the things of each shot of a video, and where they are to each other.

    An ingestion with the profile 'full' finds them.
    """
    with connect.connect() as client:
        asset_id = find_video_id(client, video)
        found = list(client.scenes(asset_id))
    if json:
        print_json(found)
        return
    if not found:
        hint = f"{_suggest_ingestion(shorten(asset_id))} --profile full"
        print_message(f"No scenes are known of this video. {hint}")
        return
    table = make_table("!Time", "Things", "Relations")
    for one in found:
        table.add_row(
            format_range(one["start"], one["end"]), _list_things(one), _list_relations(one)
        )
    console().print(table)


def _list_things(scene: SceneDocument) -> str:
    """Return what is seen: ``2 × car, person``."""
    counts = Counter(thing["label"] for thing in scene["objects"])
    return ", ".join(
        label if count == 1 else f"{count} × {label}" for label, count in counts.items()
    )


def _list_relations(scene: SceneDocument) -> str:
    """Return each relation once, in words: ``car left of person``."""
    labels = [thing["label"] for thing in scene["objects"]]
    words = (
        f"{labels[one['subject']]} {one['predicate']} {labels[one['object']]}"
        for one in scene["relations"]
    )
    return ", ".join(dict.fromkeys(words))
