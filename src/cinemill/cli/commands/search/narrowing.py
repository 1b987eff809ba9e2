"""Options that say which videos are searched, and whose words."""

from __future__ import annotations

from typing import Annotated

import typer

from cinemill.cli import options

Assets = options.OnlyVideos
Collections = options.OnlyCollections
Speakers = Annotated[
    list[str] | None,
    typer.Option(
        "--speaker",
        metavar="NAME",
        help="Only what this person says, by the name that captions give; may be repeated.",
    ),
]
