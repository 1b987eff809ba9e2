"""Moments of videos as people read them: clocks, titles and one line of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cinemill.cli.console import console, make_table, print_message, shorten_to_fit
from cinemill.cli.ids import shorten

if TYPE_CHECKING:
    from cinemill.client import HitDocument


def format_clock(seconds: float) -> str:
    """Return a time of a video as ``HH:MM:SS``; parts of a second are cut off."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02}"


def format_range(start: float, end: float) -> str:
    """Return a range of a video's time as two clocks."""
    return f"{format_clock(start)}-{format_clock(end)}"


def show_moments(moments: Sequence[HitDocument], *, are_numbered: bool = False) -> None:
    """Print moments as a table, with their numbers where a text refers to them."""
    heads = ("!Time", "!Video", "!Asset", "Text")
    table = make_table(*(("!>No",) if are_numbered else ()), *heads)
    for number, moment in enumerate(moments, start=1):
        table.add_row(
            *((str(number),) if are_numbered else ()),
            format_range(moment.get("start", 0.0), moment.get("end", 0.0)),
            shorten_to_fit(moment.get("title", "")),
            shorten(moment.get("asset_id", "")),
            " ".join(moment.get("text", "").split()),
        )
    console().print(table)


def show_vectors_hint(state: str, hint: str) -> None:
    """Say on stderr where meanings could not be compared as they should be, and what helps."""
    if hint and state == "used":
        print_message(hint)
    elif hint and state != "not_used":
        print_message(f"Searched by words and names only. {hint}")
