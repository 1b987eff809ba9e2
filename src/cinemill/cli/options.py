"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cinemill.cli.console import remember_json

Json = Annotated[
    bool,
    typer.Option("--json", help="Print JSON.", callback=remember_json),
]
VideoFiles = Annotated[
    list[Path],
    typer.Argument(metavar="FILE", help="Video files."),
]
Priority = Annotated[
    int | None,
    typer.Option(min=0, max=10, help="Priority from 0 to 10; 10 runs first. Default: 5."),
]
ThumbnailSeconds = Annotated[
    float | None,
    typer.Option(min=0, help="Also create a thumbnail of the frame at this time, in seconds."),
]
JobIds = Annotated[
    list[str],
    typer.Argument(metavar="JOB", help="Job IDs; the first four or more characters are enough."),
]
_Profile = Literal["quick", "standard", "full"]
_PROFILE_HELP = (
    "How much to find out about what is in the videos: quick (shots, key frames, speech, search), "
    "standard (also sounds, text in the picture, tags, faces, names and relations) or full (also "
    "objects and scenes)."
)
AnyProfile = Annotated[_Profile | None, typer.Option("--profile", help=_PROFILE_HELP)]
"""None finds out nothing."""
Profile = Annotated[_Profile, typer.Option("--profile", help=_PROFILE_HELP)]
Provider = Annotated[
    Literal["local", "rekognition", "nvidia"],
    typer.Option(help="Who looks at the pictures: models of the workers, or a service."),
]
Queues = Annotated[
    str | None,
    typer.Option("--queues", "-Q", help="Queues to consume, separated by commas. Default: all."),
]
Autoscale = Annotated[
    str | None,
    typer.Option(
        metavar="MAX,MIN",
        help="Maximum and minimum number of processes, such as 4,1; scales with the load.",
    ),
]
Concurrency = Annotated[
    int | None,
    typer.Option("--concurrency", "-c", min=1, help="Number of tasks to run in parallel."),
]
