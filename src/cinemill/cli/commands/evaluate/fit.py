"""``cinemill evaluate fit``: the models that tell answers from near misses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cinemill.cli import options
from cinemill.cli.commands.evaluate import setup
from cinemill.cli.console import print_json, print_message


def fit_relevance(
    folder: setup.CorpusFolderArgument,
    target: Annotated[
        Path,
        typer.Argument(
            metavar="TARGET", help="Folder that the models are written to.", file_okay=False
        ),
    ],
    json: options.Json = False,
) -> None:
    """Fit the models of relevance on the split tune: with and without an embedding model."""
    from cinemill.capabilities.search import relevance_fit
    from cinemill.capabilities.search.evaluation.plan.records import Split
    from cinemill.capabilities.search.evaluation.running.relevance import make_examples
    from cinemill.capabilities.search.evaluation.running.searches import search_questions
    from cinemill.capabilities.search.relevance import BY_MEANING, BY_WORDS, save_model

    opened = setup.open_setup(folder, final=False)
    with (
        setup.open_database(opened.settings) as (database, owner),
        setup.open_track(opened, database, owner, None) as library,
    ):
        questions = opened.questions[Split.TUNE]
        print_message(f"Searching for {len(questions)} questions")
        searched = search_questions(library, questions)
    corpus = opened.corpus.read_description().plan_sha256
    target.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, compare in ((BY_MEANING, opened.compare_words), (BY_WORDS, None)):
        fitted = relevance_fit.fit_relevance(make_examples(searched, compare))
        embedding_model = "" if compare is None else opened.embedder.model_id
        model = fitted.model_copy(update={"corpus": corpus, "embedding_model": embedding_model})
        save_model(model, target / name)
        rows.append({"file": str(target / name), "threshold": model.threshold})
    if json:
        print_json(rows)
        return
    for row in rows:
        typer.echo(f"{row['file']}: threshold {row['threshold']:.3f}")
