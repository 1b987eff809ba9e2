"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cinemill.cli.arguments.choices import QUEUES, check_queues, complete_from, complete_queues
from cinemill.cli.arguments.completion import (
    complete_collections,
    complete_jobs,
    complete_videos,
)

Json = Annotated[
    bool,
    typer.Option("--json", help="Print JSON."),
]
VideoFiles = Annotated[
    list[Path],
    typer.Argument(metavar="FILE", help="Video files."),
]
Priority = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=10,
        help="Priority from 0 to 10; 10 runs first. Default: 5.",
        autocompletion=complete_from([str(number) for number in range(11)]),
    ),
]
ThumbnailSeconds = Annotated[
    float | None,
    typer.Option(min=0, help="Also create a thumbnail of the frame at this time, in seconds."),
]
JobIds = Annotated[
    list[str],
    typer.Argument(
        metavar="JOB",
        help="Job IDs; the first four or more characters are enough.",
        autocompletion=complete_jobs(),
    ),
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
BestEffort = Annotated[
    bool,
    typer.Option(
        "--best-effort",
        help="Of damaged or truncated videos, make what can be made, and list what is missing.",
    ),
]
Provider = Annotated[
    Literal["local", "rekognition", "nvidia"],
    typer.Option(help="Who looks at the pictures: models of the workers, or a service."),
]
Queues = Annotated[
    str | None,
    typer.Option(
        "--queues",
        "-Q",
        help=f"Queues to consume, separated by commas: {', '.join(QUEUES)}. Default: all.",
        callback=check_queues,
        autocompletion=complete_queues,
    ),
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
Video = Annotated[
    str,
    typer.Argument(
        metavar="VIDEO",
        help="Name of the video, its ID or that of one of its jobs; of an ID, the first four or"
        " more characters are enough.",
        autocompletion=complete_videos,
    ),
]
Videos = Annotated[
    list[str],
    typer.Argument(
        metavar="VIDEO",
        help="Names of videos, their IDs or those of their jobs; of an ID, the first four or more"
        " characters are enough.",
        autocompletion=complete_videos,
    ),
]
OnlyVideos = Annotated[
    list[str] | None,
    typer.Option(
        "--asset",
        metavar="VIDEO",
        help="Only this video, by its name or ID; may be repeated.",
        autocompletion=complete_videos,
    ),
]
OnlyCollections = Annotated[
    list[str] | None,
    typer.Option(
        "--collection",
        help="Only videos of this collection; may be repeated.",
        autocompletion=complete_collections,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
