"""Commands that run until they are stopped: the server, or one of its components."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from cinemill.cli import connect, options
from cinemill.cli.console import print_message, print_warning, stderr

if TYPE_CHECKING:
    from cinemill.config import Settings
    from cinemill.local.instance import Instance


def register(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(worker)
    app.command()(beat)
    app.command()(flower)


def up(
    flower: Annotated[
        bool,
        typer.Option(
            "--flower",
            help="Also start Flower, on FLOWER_PORT (user 'cinemill', password: the token).",
        ),
    ] = False,
) -> None:
    """Start Cinemill on this machine; Ctrl-C stops it."""
    import asyncio

    from cinemill.cli.supervisor_log import log_to_file
    from cinemill.local.instance import supervise

    settings = connect.load_settings()
    warn(settings)
    warn_of_missing_sandbox(settings)
    log_to_file(settings)

    def print_address(instance: Instance) -> None:
        print_message(f"\nCinemill is ready after {instance.seconds_to_ready:.1f} s. Open\n")
        print_message(f"    {sign_in_url(instance.public_url or instance.api_url, settings)}\n")
        print_message("Press Ctrl-C to stop. Jobs in progress resume at the next start.\n")

    asyncio.run(supervise(settings, with_flower=flower, on_ready=print_address, console=stderr()))


def worker(
    queues: options.Queues = None,
    concurrency: options.Concurrency = None,
    autoscale: options.Autoscale = None,
) -> None:
    """Start an additional worker, on this machine or another one."""
    # Celery identifies workers by name, and the server's own worker has the default one.
    arguments = ["--name", f"worker-{os.getpid()}"]
    if queues is not None:
        arguments += ["--queues", queues]
    if concurrency is not None:
        arguments += ["--concurrency", str(concurrency)]
    if autoscale is not None:
        arguments += ["--autoscale", autoscale]
    exec_command("cinemill.worker", arguments)


def beat() -> None:
    """Run the scheduler for periodic tasks, and the relay."""
    exec_command("cinemill.worker.beat", [])


def flower() -> None:
    """Run Flower, Celery's monitoring page.

    Flower listens on http://127.0.0.1:5555/; FLOWER_PORT sets another port. Sign in as user
    'cinemill' with the token in CINEMILL_HOME as the password, or set
    FLOWER_BASIC_AUTH=user:password.
    """
    exec_command("cinemill.worker.flower", [])


def exec_command(module: str, arguments: list[str]) -> NoReturn:
    """Replace this process with a component of the server, so that it receives all signals."""
    from cinemill.local.supervisor.children import PRIVATE_UMASK

    settings = connect.load_settings()
    environment = {
        **os.environ,
        "CINEMILL_HOME": str(settings.home),
        **connect.find_addresses(settings),
        # Celery then requeues running work on SIGTERM before it exits.
        "REMAP_SIGTERM": "SIGQUIT",
    }
    sys.stdout.flush()
    sys.stderr.flush()
    command = [sys.executable, "-m", module, *arguments]
    os.umask(PRIVATE_UMASK)  # as 'up' starts it
    os.execve(sys.executable, command, environment)  # noqa: S606 – our own interpreter


def warn(settings: Settings) -> None:
    for warning in settings.warnings:
        print_warning(warning)


def warn_of_missing_sandbox(settings: Settings) -> None:
    """Say that videos of strangers are decoded unprotected, unless somebody has chosen that."""
    from cinemill.media.ffmpeg.sandbox import detect_sandbox

    if settings.sandbox == "auto" and not detect_sandbox("auto").is_isolated:
        print_warning(
            "bubblewrap does not work on this machine, so "
            "videos are decoded with resource limits only. Install it (apt install bubblewrap) "
            "before you take videos from strangers, or set CINEMILL_SANDBOX=off."
        )


def sign_in_url(api_url: str, settings: Settings) -> str:
    """Return the page's address with the token in it, to open once in a browser."""
    from cinemill.storage.secrets import read_secret

    token_file = settings.home / "token"
    if settings.auth == "off" or not token_file.is_file():
        return f"{api_url}/"
    return f"{api_url}/?token={read_secret(token_file)}"
