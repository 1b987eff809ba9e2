"""``cinemill evaluate``: how well videos are searched and questions answered.

On a corpus that is made here, and on published benchmarks.
"""

from __future__ import annotations

import typer

from cinemill.cli.commands.evaluate import answers, benchmark, chapters, corpus, fit, retrieval

app = typer.Typer(
    help=(
        "Measure search and answers on a corpus whose videos are made here, with their truth, or "
        "on a published benchmark. Questions of the corpus' test split are read with --final only, "
        "which records the commit."
    ),
    no_args_is_help=True,
)
app.add_typer(corpus.app, name="corpus")
app.command("retrieval")(retrieval.evaluate_retrieval)
app.command("answers")(answers.evaluate_answers)
app.command("chapters")(chapters.evaluate_chapters)
app.command("fit")(fit.fit_relevance)
app.command("benchmark")(benchmark.evaluate_benchmark)
