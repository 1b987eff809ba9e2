"""``cinemill detect train``, ``calibrate`` and ``evaluate``: heads of your own, and their figures.

These run in this process, on this machine, and need no server.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cinemill.cli import options
from cinemill.cli.arguments.choices import DataSet
from cinemill.cli.arguments.completion import complete_models
from cinemill.cli.arguments.endings import Interrupted
from cinemill.cli.commands.detect.completion import complete_heads
from cinemill.cli.commands.detect.training_progress import RunDisplay
from cinemill.cli.commands.detect.training_results import (
    print_calibration,
    print_training,
    write_report,
)
from cinemill.cli.commands.detect.training_setup import (
    describe_command,
    list_calibration_videos,
    open_bench,
)

DetectorName = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="Name of a trained head or ensemble; 'default' is what analyses use.",
        autocompletion=complete_heads,
    ),
]
Real = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder of real videos or images, with a subfolder for each person where known.",
        exists=True,
        file_okay=False,
    ),
]
Fake = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder of manipulated videos or images: [METHOD/[PERSON/]]VIDEO.",
        exists=True,
        file_okay=False,
    ),
]
Dataset = Annotated[
    DataSet | None,
    typer.Option(
        help="Published data set in --root: ffpp, celebdf, dfdc, dfdc-preview, df40, "
        "deepfake-eval, or folder for your own 'real' and 'fake'.",
    ),
]
Root = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder into which the data set was unpacked.",
        exists=True,
        file_okay=False,
    ),
]
Blends = Annotated[
    bool,
    typer.Option(
        "--blends",
        help="Make a fake of each real video by blending its own face; no deepfake, and so the "
        "figures say less than those on real fakes.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Number from which everything random is drawn.")]
FramesOfVideo = Annotated[
    int | None, typer.Option(min=4, max=1000, help="Frames of each video at most.")
]
Use = Annotated[
    bool,
    typer.Option("--use", help="Have analyses use it even if they use another detector now."),
]

Backbones = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODEL",
        autocompletion=complete_models,
        help="Model for features; repeat it for an ensemble. Default: efficientnet-lite0.",
    ),
]
Licence = Annotated[
    str, typer.Option(metavar="TEXT", help="Licence of the videos, for the head's file.")
]
RemovedDirections = Annotated[
    int,
    typer.Option(
        min=0,
        max=512,
        help="Leading directions of real faces that are removed; identity is in them.",
    ),
]
Rate = Annotated[
    float,
    typer.Option(
        min=0.0001, max=0.5, help="Share of false alarms, and of misses, that is promised."
    ),
]


def train(
    context: typer.Context,
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the new head.")],
    real: Real = None,
    dataset: Dataset = None,
    root: Root = None,
    backbone: Backbones = None,
    licence: Licence = "",
    seed: Seed = 0,
    frames: FramesOfVideo = None,
    takes: Annotated[int, typer.Option(min=1, max=100, help="Blends of each face.")] = 2,
    remove_directions: RemovedDirections = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a training that was stopped.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Discard a training that was stopped.")
    ] = False,
    use: Use = False,
    json: options.Json = False,
) -> None:
    """Train a head on real videos: their faces are blended into themselves as fakes.

    Needs the extras 'train' and 'faces'. It runs here, and a stopped training can be resumed.
    """
    from cinemill.capabilities.detection.runs.workbench import require_extras

    require_extras("train", "faces")
    from cinemill.capabilities.detection.runs import train as runs
    from cinemill.capabilities.detection.runs.video_lists import VideoChoice, list_videos

    listing = list_videos(VideoChoice(real=real, dataset=dataset, root=root), "train")
    request = runs.TrainingRequest(
        name=name,
        records=listing.records,
        members=tuple(dict.fromkeys(backbone or (runs.DEFAULT_BACKBONE,))),
        licence=licence,
        seed=seed,
        frames=frames or runs.DEFAULT_FRAMES,
        takes=takes,
        removed_directions=remove_directions,
        command=describe_command(context),
        resumes=resume,
        restarts=restart,
        is_for_use=use,
    )
    with RunDisplay(hidden=json) as display:
        try:
            outcome = runs.train(open_bench(display), request)
        except KeyboardInterrupt:
            raise Interrupted(hint="The same command with --resume goes on from here.") from None
    print_training(name, outcome, listing.notes, json=json)


def calibrate(
    context: typer.Context,
    name: DetectorName,
    real: Real = None,
    fake: Fake = None,
    dataset: Dataset = None,
    root: Root = None,
    blends: Blends = False,
    reviews: Annotated[
        bool,
        typer.Option(
            "--reviews", help="Use the stored videos that people have decided about in reviews."
        ),
    ] = False,
    rate: Rate = 0.05,
    frames: FramesOfVideo = None,
    seed: Seed = 0,
    use: Use = False,
    json: options.Json = False,
) -> None:
    """Calibrate a detector on videos whose truth is known. Its scores do not change.

    None of the videos may have been in its training. Below 19 people of each class, a calibration
    for 5% promises nothing, and every verdict stays inconclusive.
    """
    from cinemill.capabilities.detection.runs.workbench import require_extras

    require_extras("train", *(["faces"] if blends else []))
    from cinemill.capabilities.detection.runs import calibrate as runs
    from cinemill.capabilities.detection.runs.video_lists import VideoChoice
    from cinemill.media.frames.sampling import DEFAULT_COUNT

    listing = list_calibration_videos(VideoChoice(real, fake, dataset, root), reviews=reviews)
    request = runs.CalibrationRequest(
        name=name,
        records=listing.records,
        notes=listing.notes,
        makes_blends=blends,
        rate=rate,
        frames=frames or DEFAULT_COUNT,
        seed=seed,
        command=describe_command(context),
        is_for_use=use,
    )
    with RunDisplay(hidden=json) as display:
        outcome = runs.calibrate(open_bench(display), request)
    print_calibration(name, outcome, json=json)


def evaluate(
    context: typer.Context,
    name: DetectorName,
    real: Real = None,
    fake: Fake = None,
    dataset: Dataset = None,
    root: Root = None,
    blends: Blends = False,
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Folder for the report.", file_okay=False),
    ] = Path(),
    grid: Annotated[
        int,
        typer.Option(
            min=0,
            max=10_000,
            metavar="COUNT",
            help="Videos of each class that are re-encoded in nine ways; 0 for none.",
        ),
    ] = 20,
    frames: FramesOfVideo = None,
    seed: Seed = 0,
    json: options.Json = False,
) -> None:
    """Measure a detector on videos whose truth is known; write a report as JSON and HTML."""
    from cinemill.capabilities.detection.runs.workbench import require_extras

    require_extras("train", *(["faces"] if blends else []))
    from cinemill.capabilities.detection.runs import evaluate as runs
    from cinemill.capabilities.detection.runs.video_lists import VideoChoice, list_videos
    from cinemill.media.frames.sampling import DEFAULT_COUNT

    listing = list_videos(VideoChoice(real, fake, dataset, root), "test")
    request = runs.EvaluationRequest(
        name=name,
        records=listing.records,
        notes=listing.notes,
        skipped=listing.skipped,
        makes_blends=blends,
        grid_videos=grid,
        frames=frames or DEFAULT_COUNT,
        seed=seed,
        command=describe_command(context),
    )
    with RunDisplay(hidden=json) as display:
        report = runs.evaluate(open_bench(display), request)
    write_report(name, report, out, json=json)
