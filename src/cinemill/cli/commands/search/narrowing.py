"""Options that say which videos are searched, and whose words."""

from __future__ import annotations

from typing import Annotated

import typer

Assets = Annotated[
    list[str] | None,
    typer.Option("--asset", metavar="ASSET", help="Only this video, by its ID; may be repeated."),
]
Collections = Annotated[
    list[str] | None,
    typer.Option("--collection", help="Only videos of this collection; may be repeated."),
]
Speakers = Annotated[
    list[str] | None,
    typer.Option(
        "--speaker",
        metavar="NAME",
        help="Only what this person says, by the name that captions give; may be repeated.",
    ),
]
