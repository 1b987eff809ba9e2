"""``cinemill evaluate answers``: whether quoted answers are right, and their citations hold."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cinemill.cli import options
from cinemill.cli.commands.evaluate import setup, tables
from cinemill.cli.console import print_json, print_message

if TYPE_CHECKING:
    from cinemill.capabilities.search.evaluation.metrics.report import EvaluationReport
    from cinemill.capabilities.search.evaluation.plan.records import Split


def evaluate_answers(
    folder: setup.CorpusFolderArgument,
    final: setup.Final = False,
    heard: setup.Heard = None,
    json: options.Json = False,
) -> None:
    """Answer the corpus' questions without a language model, and check answers and citations."""
    opened = setup.open_setup(folder, final=final)
    tracks = setup.evaluate_tracks(opened, heard, partial(_evaluate, opened))
    if json:
        print_json({"tracks": setup.write_tracks(tracks)})
        return
    for track, reports in tracks.items():
        for split, report in reports.items():
            tables.print_report(f"Answers: {split.value}, {track}", report)


def _evaluate(
    opened: setup.EvaluationSetup, place: setup.TrackPlace
) -> dict[Split, EvaluationReport]:
    from cinemill.capabilities.search.evaluation.metrics.report import measure_answers
    from cinemill.capabilities.search.evaluation.running.answers import answer_questions
    from cinemill.capabilities.search.evaluation.running.searches import search_questions

    with setup.open_track(opened, place) as library:
        reports = {}
        for split, questions in opened.questions.items():
            print_message(f"Answering {len(questions)} questions of the split {split.value}")
            searched = search_questions(library, questions)
            outcomes = answer_questions(library, searched, opened.compare_words)
            reports[split] = measure_answers(outcomes, opened.videos)
        return reports
