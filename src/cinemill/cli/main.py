"""``cinemill``: the application, its global options, and its error handling."""

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
    detect,
    doctor,
    evaluate,
    index,
    ingest,
    jobs,
    models,
    process,
    render,
    search,
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
    """An error of the operating system, such as a full disk or a missing permission."""

    code = "machine_problem"
    hint = "Fix this problem on this machine, then try again."

    def __init__(self, error: OSError) -> None:
        about = f"{error.filename}: " if error.filename else ""
        super().__init__(f"{about}{error.strerror or error}.")


class ErrorGroup(TyperGroup):
    """A command group that turns errors into exit codes and sentences instead of tracebacks."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a built-in command, else that of an installed package's capability."""
        return super().get_command(ctx, cmd_name) or find_command(cmd_name)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of built-in commands, followed by those of installed capabilities."""
        own = super().list_commands(ctx)
        return [*own, *list_commands(own)]

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CinemillError as error:
            print_error(error, as_json=bool(ctx.meta.get(JSON_KEY)))
            raise typer.Exit(exit_code_of(error)) from error
        except BrokenPipeError:
            raise  # The reader of our output has closed it; typer exits quietly.
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
            "--version", callback=print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Choose the server that the command uses, by the options before the command."""
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
app.add_typer(dead.app, name="dead")
app.add_typer(models.app, name="models")
app.add_typer(index.app, name="index")
doctor.register(app)
app.add_typer(evaluate.app, name="evaluate")
selftest.register(app)
config.register(app)
verify.register(app)


def run() -> None:
    """Run the console script."""
    # File names may hold any character; those that the terminal cannot show are escaped.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    app()
