"""``cinemill``: the application, its global options, and its error handling."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cinemill import __version__
from cinemill.cli.arguments.application import JSON_KEY, ApplicationGroup
from cinemill.cli.arguments.environment import find_unknown_settings
from cinemill.cli.commands import (
    config,
    create,
    dead,
    detect,
    doctor,
    evaluate,
    index,
    ingest,
    jobs,
    logs,
    models,
    process,
    render,
    search,
    selftest,
    serve,
    submit,
    verify,
    videos,
    watch,
)
from cinemill.cli.console import print_warning
from cinemill.cli.exit_codes import MEANINGS

WARNING_COMMANDS = ("up", "config")
"""Commands that show all warnings about settings."""
EPILOG = "Exit codes: " + " ".join(f"{code.value} {text}" for code, text in MEANINGS.items())

app = typer.Typer(
    name="cinemill",
    cls=ApplicationGroup,
    help="Process, transcode, render and caption videos on your own server.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Plain-text help, because drawing boxes with Rich takes longer than everything else.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cinemill {__version__}")
        raise typer.Exit


@app.callback()
def choose_server(
    context: typer.Context,
    home: Annotated[
        Path | None,
        typer.Option(help="Data folder to use (overrides CINEMILL_HOME).", file_okay=False),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            help=(
                "Address of a Cinemill server on another machine (overrides "
                "CINEMILL_URL; needs CINEMILL_TOKEN)."
            )
        ),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(
            help=(
                "Certificates (PEM) that vouch for that server's (overrides CINEMILL_CA_FILE; "
                "default: SSL_CERT_FILE, else this machine's)."
            ),
            dir_okay=False,
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            "-V",
            callback=print_version,
            is_eager=True,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    """Choose the server that the command uses, by the options before the command."""
    if context.invoked_subcommand not in WARNING_COMMANDS:
        for sentence in find_unknown_settings():
            print_warning(sentence, as_json=context.meta[JSON_KEY])
    # Set in the environment, so that programs which a command executes choose the same server.
    if home is not None:
        os.environ["CINEMILL_HOME"] = str(_expand_user(home).absolute())
    if url is not None:
        os.environ["CINEMILL_URL"] = url
    if ca_file is not None:
        os.environ["CINEMILL_CA_FILE"] = str(_expand_user(ca_file).absolute())


def _expand_user(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # there is no such user, or it has no home
        return path


serve.register(app)
process.register(app)
ingest.register(app)
create.register(app)
render.register(app)
submit.register(app)
app.add_typer(detect.app, name="detect")
search.register(app)
watch.register(app)
jobs.register(app)
videos.register(app)
app.add_typer(dead.app, name="dead")
app.add_typer(models.app, name="models")
app.add_typer(index.app, name="index")
logs.register(app)
doctor.register(app)
app.add_typer(evaluate.app, name="evaluate")
selftest.register(app)
config.register(app)
verify.register(app)


def run() -> None:
    """Run the console script."""
    # A program that is started without them, as by a service manager, must not fail to print.
    nowhere = Path(os.devnull)
    sys.stdout = sys.stdout or nowhere.open("w", encoding="utf-8")
    sys.stderr = sys.stderr or nowhere.open("w", encoding="utf-8")
    # File names may hold any character; those that the terminal cannot show are escaped.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    app()
