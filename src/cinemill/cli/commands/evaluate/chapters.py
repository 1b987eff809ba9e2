"""``cinemill evaluate chapters``: whether chapters begin where the subject changes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cinemill.cli import options
from cinemill.cli.commands.evaluate import setup
from cinemill.cli.console import console, make_table, print_json, print_message

if TYPE_CHECKING:
    from cinemill.capabilities.search.evaluation.plan.records import Split
    from cinemill.capabilities.search.evaluation.running.chapters import ChapterEvaluation

TALKS = 20
"""Of several subjects, and as many of one."""


def evaluate_chapters(
    folder: setup.CorpusFolderArgument,
    final: setup.Final = False,
    heard: setup.Heard = None,
    json: options.Json = False,
) -> None:
    """Join scenes of the corpus into talks, and compare their chapters with where they were joined.

    Each chapter of a talk has eight to fourteen scenes of one kind of fact.
    """
    opened = setup.open_setup(folder, final=final)
    tracks = setup.evaluate_tracks(opened, heard, partial(_evaluate, opened))
    if json:
        print_json({"tracks": setup.write_tracks(tracks)})
        return
    for track, splits in tracks.items():
        for split, one in splits.items():
            _print(f"Chapters: {split.value}, {track}", one)


def _evaluate(
    opened: setup.EvaluationSetup, place: setup.TrackPlace
) -> dict[Split, ChapterEvaluation]:
    from cinemill.capabilities.search.evaluation.making.talks import join_talks
    from cinemill.capabilities.search.evaluation.running import chapters
    from cinemill.capabilities.search.evaluation.running.library import open_library

    found = {}
    for split in opened.questions:
        videos = [one for one in opened.videos.values() if one.split is split]
        talks = join_talks(videos, place.heard, number=TALKS)
        single = join_talks(videos, place.heard, number=TALKS, chapters=1, name="single")
        print_message(f"Dividing {len(talks)} talks of the split {split.value}")
        with open_library(
            place.database,
            opened.embedder,
            chapters.make_talk_passages([*talks, *single]),
            owner=place.owner,
            name=opened.model_name,
            revision=opened.model_revision,
        ) as library:
            found[split] = chapters.evaluate_chapters(library, talks, single)
    return found


def _print(title: str, found: ChapterEvaluation) -> None:
    screen = console()
    screen.print(f"{title}: {found.talks} talks, {found.passages} passages")
    heads = ("!>Pk", "!>WindowDiff", "!>Precision", "!>Recall", "!>F1", "!>Needless")
    table = make_table("Divided", *heads)
    for way, one in found.figures.items():
        figures = (one.pk, one.window_diff, one.precision, one.recall, one.f1)
        needless = f"{found.needless[way]:.2f}" if way in found.needless else ""
        table.add_row(way, *(f"{figure:.3f}" for figure in figures), needless)
    screen.print(table)
    screen.print()
