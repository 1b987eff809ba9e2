"""``cinemill evaluate retrieval``: rankings compared, and how often searches abstain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from cinemill.cli import options
from cinemill.cli.commands.evaluate import setup, tables
from cinemill.cli.console import print_json, print_message

if TYPE_CHECKING:
    from cinemill.capabilities.search.evaluation.metrics.comparison import Ratio
    from cinemill.capabilities.search.evaluation.plan.records import Split
    from cinemill.capabilities.search.evaluation.running.evaluation import RetrievalEvaluation

Evaluations = Mapping["Split", "RetrievalEvaluation"]


def evaluate_retrieval(
    folder: setup.CorpusFolderArgument,
    final: setup.Final = False,
    heard: setup.Heard = None,
    json: options.Json = False,
) -> None:
    """Search the corpus for all of its questions, and compare rankings with one another.

    Uses DATABASE_URL if it is set, and deletes what it stored there; else a PostgreSQL of its own.
    """
    opened = setup.open_setup(folder, final=final)
    tracks = setup.evaluate_tracks(opened, heard, partial(_evaluate, opened))
    ratios = _compare_tracks(tracks, heard) if heard else {}
    if json:
        print_json(_to_json(tracks, ratios))
        return
    for track, evaluations in tracks.items():
        for split, evaluation in evaluations.items():
            tables.print_retrieval(f"{split.value}, {track}", evaluation)
    for split, ratio in ratios.items():
        tables.print_ratio(split.value, ratio)


def _evaluate(
    opened: setup.EvaluationSetup, place: setup.TrackPlace
) -> dict[Split, RetrievalEvaluation]:
    from cinemill.capabilities.search.evaluation.running import evaluation
    from cinemill.capabilities.search.evaluation.running.searches import search_questions

    with setup.open_track(opened, place) as library:
        found = {}
        for split, questions in opened.questions.items():
            print_message(f"Searching for {len(questions)} questions of the split {split.value}")
            searched = search_questions(library, questions)
            found[split] = evaluation.evaluate_retrieval(library, searched, opened.compare_words)
        return found


def _compare_tracks(tracks: Mapping[str, Evaluations], heard: str) -> dict[Split, Ratio]:
    from cinemill.capabilities.search.evaluation.metrics.comparison import measure_ratio

    true = tracks[setup.TRUE_TRACK]
    return {
        split: measure_ratio(one.fused, true[split].fused) for split, one in tracks[heard].items()
    }


def _to_json(tracks: Mapping[str, Evaluations], ratios: Mapping[Split, Ratio]) -> dict[str, Any]:
    return {
        "tracks": setup.write_tracks(tracks),
        "heard_over_true": {split.value: asdict(ratio) for split, ratio in ratios.items()},
    }
