"""``cinemill evaluate chapters``: whether chapters begin where the subject changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cinemill.cli import options
from cinemill.cli.commands.evaluate import setup
from cinemill.cli.console import console, make_table, print_json, print_message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cinemill.capabilities.search.evaluation.plan.records import Split
    from cinemill.capabilities.search.evaluation.running.chapters import ChapterEvaluation
    from cinemill.core.transcript import Transcript
    from cinemill.storage.database import Database

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
    transcripts = setup.transcribe(opened, heard) if heard else None
    with setup.open_database(opened.settings) as (database, owner):
        tracks = {setup.TRUE_TRACK: _evaluate(opened, database, owner, None)}
        if heard is not None:
            tracks[heard] = _evaluate(opened, database, f"{owner}-heard", transcripts)
    if json:
        print_json(
            {
                track: {split.value: one.to_json() for split, one in splits.items()}
                for track, splits in tracks.items()
            }
        )
        return
    for track, splits in tracks.items():
        for split, one in splits.items():
            _print(f"Chapters: {split.value}, {track}", one)


def _evaluate(
    opened: setup.EvaluationSetup,
    database: Database,
    owner: str,
    transcripts: Mapping[str, Transcript] | None,
) -> dict[Split, ChapterEvaluation]:
    from cinemill.capabilities.search.evaluation.making.talks import join_talks
    from cinemill.capabilities.search.evaluation.running import chapters
    from cinemill.capabilities.search.evaluation.running.library import open_library

    found = {}
    for split in opened.questions:
        videos = [one for one in opened.videos.values() if one.split is split]
        talks = join_talks(videos, transcripts, number=TALKS)
        single = join_talks(videos, transcripts, number=TALKS, chapters=1, name="single")
        print_message(f"Dividing {len(talks)} talks of the split {split.value}")
        with open_library(
            database,
            opened.embedder,
            chapters.make_talk_passages([*talks, *single]),
            owner=owner,
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
