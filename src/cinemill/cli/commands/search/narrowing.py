"""Options that say which videos are searched."""

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
