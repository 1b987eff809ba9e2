"""``cinemill selftest``: a film of our own making through the public doors, and a look at it."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cinemill.cli import connect, options
from cinemill.cli.console import print_json, print_message
from cinemill.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from cinemill.client import Client
    from cinemill.config import Settings

FILM_SECONDS = 4
EXPECTED = ("proxy", "poster", "sprite", "audio")


def register(app: typer.Typer) -> None:
    app.command()(selftest)


def selftest(json: options.Json = False) -> None:
    """Process a generated test video and check the outputs. Exit code 1 if a check fails."""
    from cinemill.cli.temporary_server import Stopped, run_with_server

    settings = connect.load_settings()
    with tempfile.TemporaryDirectory(prefix="cinemill-selftest-") as folder:
        film = make_film(settings, Path(folder))
        try:
            checks = run_with_server(
                settings,
                lambda mill: dict(try_doors(mill, settings, film)),
                on_start=lambda: None if json else print_message("Starting a temporary server …"),
            )
        except Stopped:
            raise typer.Exit(ExitCode.INTERRUPTED) from None
    if json:
        print_json(checks)
    for what, is_right in checks.items() if not json else ():
        mark = typer.style("✓", fg="green") if is_right else typer.style("✗", fg="red")
        typer.echo(f"{mark} {what}")
    if not all(checks.values()):
        raise typer.Exit(ExitCode.JOB_FAILED)


def make_film(settings: Settings, folder: Path) -> Path:
    """Four seconds of test picture and tone, unlike any before: the same bytes would be known."""
    from cinemill.media.ffmpeg.binary import find_ffmpeg
    from cinemill.media.ffmpeg.limits import Limits
    from cinemill.media.ffmpeg.sandbox import detect_sandbox
    from cinemill.media.ffmpeg.session import FfmpegSession

    picture = f"testsrc2=size=640x360:rate=25:duration={FILM_SECONDS}"
    tone = f"sine=frequency=440:duration={FILM_SECONDS}"
    arguments = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone]
    arguments += ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    arguments += ["-metadata", f"comment={uuid.uuid4()}", "selftest.mp4"]
    session = FfmpegSession(
        find_ffmpeg(settings.ffmpeg_path), folder, Limits(), detect_sandbox(settings.sandbox)
    )
    session.run(arguments, on_progress=lambda _: None)
    return folder / "selftest.mp4"


def try_doors(mill: Client, settings: Settings, film: Path) -> Iterator[tuple[str, bool]]:
    """(what was tried, whether it went well), to the end or to the first that makes no sense of
    the rest."""
    yield "health: all components respond", mill.health().get("status") == "ok"
    task_id = str(mill.upload(film, priority=10)["id"])
    events = list(mill.watch(task_id))
    is_done = events[-1].status == "completed"
    yield "events: progress is reported until completion", is_done
    yield "task: SUCCESS at 100", mill.task(task_id)["state"] == "SUCCESS"
    yield "result: contains the output's name", bool(mill.result(task_id)["output_filename"])
    if is_done:
        yield from _try_files(mill, settings, task_id, film.parent)
    mill.cleanup(task_id)
    yield "cleanup: the task is deleted", _is_gone(mill, task_id)


def _try_files(
    mill: Client, settings: Settings, task_id: str, folder: Path
) -> Iterator[tuple[str, bool]]:
    from cinemill.media.ffmpeg.limits import Limits
    from cinemill.media.ffmpeg.sandbox import detect_sandbox
    from cinemill.media.probe.probe import probe

    asset_id = str(mill.job(task_id)["asset_id"])
    kinds = {artifact["kind"] for artifact in mill.asset(asset_id)["artifacts"]}
    yield f"artifacts: {', '.join(EXPECTED)}", kinds.issuperset(EXPECTED)
    proxy = mill.download(asset_id, "proxy", folder / "proxy.mp4")
    info = probe(proxy, Limits(), sandbox=detect_sandbox(settings.sandbox))
    length = info.duration_seconds_from_header
    yield f"proxy: whole, {length:.1f} s long", abs(length - FILM_SECONDS) < 0.3
    yield f"proxy: {info.video.fps} frames a second", info.video.fps == 10


def _is_gone(mill: Client, task_id: str) -> bool:
    from cinemill.client import ClientError

    try:
        mill.task(task_id)
    except ClientError as error:
        return error.status == 404
    return False
