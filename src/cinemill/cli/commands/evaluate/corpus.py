"""``cinemill evaluate corpus``: making the videos and their questions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from cinemill.cli import connect, options
from cinemill.cli.commands.evaluate import setup
from cinemill.cli.console import print_json, print_line, print_message

app = typer.Typer(help="Make the corpus that is searched.", no_args_is_help=True)

SEED = 11
VIDEOS, SCENES = 60, 8


@app.callback()
def name_group() -> None:
    """Make the corpus that is searched."""


@app.command("make")
def make(
    folder: setup.CorpusFolderArgument,
    videos: Annotated[int, typer.Option(help="Number of videos, 2 to 80.")] = VIDEOS,
    scenes: Annotated[int, typer.Option(help="Scenes of each video, 2 to 8.")] = SCENES,
    seed: Annotated[int, typer.Option(help="Another seed makes another corpus.")] = SEED,
    espeak: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the unpacked package espeakng-loader. Default: the installed one.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Make videos that speak and show known facts, with questions about them.

    Sixty videos take some minutes. What was made before is kept, so that an interrupted run goes
    on.
    """
    from cinemill.capabilities.search.evaluation.making.espeak import open_espeak
    from cinemill.capabilities.search.evaluation.making.make_corpus import make_corpus
    from cinemill.capabilities.search.evaluation.plan.corpus_plan import CorpusSize, make_plan

    setup.log_quietly()
    settings = connect.load_settings()
    plan = make_plan(seed, CorpusSize(videos, scenes))
    folder.mkdir(parents=True, exist_ok=True)
    made = make_corpus(
        plan,
        folder,
        open_espeak(espeak),
        setup.make_session_opener(settings),
        on_video=lambda video: (
            None if json else print_message(f"{video.name} ({len(plan.videos)} in all)")
        ),
    )
    counts = Counter(question.split.value for question in plan.questions)
    misses = sum(not question.is_answerable for question in plan.questions)
    if json:
        print_json(
            {
                "folder": str(made.root),
                "videos": len(plan.videos),
                "questions": dict(counts),
                "near_misses": misses,
            }
        )
        return
    listed = ", ".join(f"{count} {split}" for split, count in counts.items())
    print_line(
        f"{made.root}: {len(plan.videos)} videos, {len(plan.questions)} questions ({listed}); "
        f"{misses} of them have no answer."
    )
