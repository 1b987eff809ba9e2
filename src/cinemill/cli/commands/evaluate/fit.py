"""``cinemill evaluate fit``: the models that tell answers from near misses."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli import options
from cinemill.cli.commands.evaluate import setup
from cinemill.cli.console import print_json, print_line, print_message

if TYPE_CHECKING:
    from cinemill.capabilities.search.evaluation.running.searches import SearchedQuestion


def fit_relevance(
    folder: setup.CorpusFolderArgument,
    target: Annotated[
        Path,
        typer.Argument(
            metavar="TARGET", help="Folder that the models are written to.", file_okay=False
        ),
    ],
    heard: setup.Heard = None,
    json: options.Json = False,
) -> None:
    """Fit the models of relevance on the split tune: with and without an embedding model.

    With --heard, they get a threshold of their own for what a speech model hears.
    """
    from cinemill.capabilities.search import relevance_fit
    from cinemill.capabilities.search.evaluation.running.relevance import make_examples
    from cinemill.capabilities.search.relevance import BY_MEANING, BY_WORDS, save_model

    opened = setup.open_setup(folder, final=False)
    tracks = setup.evaluate_tracks(opened, heard, partial(_search, opened))
    corpus = opened.corpus.read_description().plan_sha256
    target.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, compare in ((BY_MEANING, opened.compare_words), (BY_WORDS, None)):
        examples = make_examples(tracks[setup.TRUE_TRACK], compare)
        fitted = relevance_fit.fit_relevance(examples)
        if heard:
            heard_examples = make_examples(tracks[heard], compare)
            fitted = relevance_fit.add_heard_threshold(fitted, examples, heard_examples)
        origin = {
            "corpus": corpus,
            "embedding_model": "" if compare is None else opened.embedder.model_id,
            "heard_model": heard or "",
        }
        model = fitted.model_copy(update=origin)
        save_model(model, target / name)
        rows.append(
            {
                "file": str(target / name),
                "threshold": model.threshold,
                "heard_threshold": model.heard_threshold,
            }
        )
    if json:
        print_json(rows)
        return
    for row in rows:
        other = row["heard_threshold"]
        of_heard = "" if other is None else f", {other:.3f} of what is heard"
        print_line(f"{row['file']}: threshold {row['threshold']:.3f}{of_heard}")


def _search(opened: setup.EvaluationSetup, place: setup.TrackPlace) -> list[SearchedQuestion]:
    from cinemill.capabilities.search.evaluation.plan.records import Split
    from cinemill.capabilities.search.evaluation.running.searches import search_questions

    with setup.open_track(opened, place) as library:
        questions = opened.questions[Split.TUNE]
        print_message(f"Searching for {len(questions)} questions")
        return search_questions(library, questions)
