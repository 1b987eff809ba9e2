"""``cinemill``: the application, its global options, and how errors end it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cinemill import __version__
from cinemill.cli.capability_commands import find_command, list_commands
from cinemill.cli.commands import (
    config,
    create,
    dead,
    doctor,
    jobs,
    models,
    process,
    render,
    selftest,
    serve,
    submit,
    verify,
    watch,
)
from cinemill.cli.console import JSON_KEY, print_error, print_message
from cinemill.cli.exit_codes import MEANINGS, ExitCode, exit_code_of
from cinemill.errors import CinemillError, DependencyUnavailable


class EnvironmentFailure(DependencyUnavailable):
    """A disk that is full, a folder that is not ours: what the machine said no to."""

    code = "machine_problem"
    hint = "Fix this problem on this machine, then try again."

    def __init__(self, error: OSError) -> None:
        about = f"{error.filename}: " if error.filename else ""
        super().__init__(f"{about}{error.strerror or error}.")


class ErrorGroup(TyperGroup):
    """Ends with an exit code that means something, and with a sentence instead of a traceback."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command of ours, else that of an installed package's capability."""
        return super().get_command(ctx, cmd_name) or find_command(cmd_name)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of our commands, and those of installed capabilities after them."""
        own = super().list_commands(ctx)
        return [*own, *list_commands(own)]

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CinemillError as error:
            print_error(error, as_json=bool(ctx.meta.get(JSON_KEY)))
            raise typer.Exit(exit_code_of(error)) from error
        except BrokenPipeError:
            raise  # Whoever read our output has read enough; the framework ends us quietly.
        except OSError as error:
            reported = EnvironmentFailure(error)
            print_error(reported, as_json=bool(ctx.meta.get(JSON_KEY)))
            raise typer.Exit(exit_code_of(reported)) from error
        except KeyboardInterrupt:
            print_message("Interrupted.")
            raise typer.Exit(ExitCode.INTERRUPTED) from None


EPILOG = "Exit codes: " + " ".join(f"{code.value} {text}" for code, text in MEANINGS.items())

app = typer.Typer(
    name="cinemill",
    cls=ErrorGroup,
    help="Process, transcode, render and caption videos on your own server.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Help as plain text: Rich takes longer to draw its boxes than all the rest together.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cinemill {__version__}")
        raise typer.Exit


@app.callback()
def choose_mill(
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
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Options before the command choose the mill that it speaks to."""
    # Through the environment, so that programs which a command turns into choose the same.
    if home is not None:
        os.environ["CINEMILL_HOME"] = str(home.expanduser().absolute())
    if url is not None:
        os.environ["CINEMILL_URL"] = url


serve.register(app)
process.register(app)
create.register(app)
render.register(app)
submit.register(app)
watch.register(app)
jobs.register(app)
app.add_typer(dead.app, name="dead")
app.add_typer(models.app, name="models")
doctor.register(app)
selftest.register(app)
config.register(app)
verify.register(app)


def run() -> None:
    """The console script."""
    # A film's name may be anything; a terminal that cannot show it gets it escaped.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    app()
