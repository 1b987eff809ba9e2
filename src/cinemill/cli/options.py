"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cinemill.cli.console import remember_json

Json = Annotated[
    bool,
    typer.Option("--json", help="Print JSON, for programs.", callback=remember_json),
]
Films = Annotated[
    list[Path],
    typer.Argument(metavar="FILE", help="Films."),
]
Priority = Annotated[
    int | None, typer.Option(min=0, max=10, help="0–10, 10 first; 5 where it is not given.")
]
ThumbnailSeconds = Annotated[
    float | None, typer.Option(min=0, help="Make a thumbnail of this moment of the film too.")
]
JobIds = Annotated[
    list[str],
    typer.Argument(metavar="JOB", help="Ids of jobs; the first characters are enough, from four."),
]
Queues = Annotated[
    str | None, typer.Option("--queues", "-Q", help="Queues to work on, separated by commas.")
]
Autoscale = Annotated[
    str | None,
    typer.Option(
        metavar="MAX,MIN", help="The most and the fewest tasks at a time, as there is work."
    ),
]
Concurrency = Annotated[
    int | None, typer.Option("--concurrency", "-c", min=1, help="Tasks worked on at a time.")
]
