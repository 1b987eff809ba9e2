"""``cinemill detect``: verdicts about videos, and what they rest on."""

from __future__ import annotations

import typer

from cinemill.cli.arguments.default_command import DefaultCommandGroup
from cinemill.cli.commands.detect import ensembles, heads, reviews, run, selftest, training


class DetectGroup(DefaultCommandGroup):
    """``detect FILE`` examines a video. A file called as a command can be given as ``./NAME``."""

    default_command = "run"


app = typer.Typer(
    cls=DetectGroup,
    help=(
        "Examine videos for manipulated faces: 'cinemill detect FILE'. The other commands manage "
        "what the verdicts rest on. 'cinemill detect run --help' shows the options; a file called "
        "like a command can be given as ./NAME."
    ),
    no_args_is_help=True,
    subcommand_metavar="FILE... | COMMAND [ARGS]...",
)
app.command()(run.run)
app.add_typer(heads.app, name="heads")
app.add_typer(ensembles.app, name="ensemble")
app.add_typer(reviews.app, name="review")
app.command()(training.train)
app.command()(training.calibrate)
app.command()(training.evaluate)
app.command()(selftest.selftest)
