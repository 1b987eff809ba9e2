"""``cinemill selftest``: processes a generated video over HTTP and checks the outputs."""

from __future__ import annotations

import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cinemill.cli import connect, options
from cinemill.cli.arguments.endings import Interrupted
from cinemill.cli.console import print_json, print_line, print_message
from cinemill.cli.exit_codes import ExitCode
from cinemill.cli.terminal.screen import paint

if TYPE_CHECKING:
    from cinemill.client import Client
    from cinemill.config import Settings

VIDEO_SECONDS = 4
EXPECTED = ("proxy", "poster", "sprite", "audio")


def register(app: typer.Typer) -> None:
    app.command()(selftest)


def selftest(json: options.Json = False) -> None:
    """Process a generated test video and check the outputs. Exit code 1 if a check fails."""
    from cinemill.cli.temporary_server import Stopped, run_with_server

    settings = connect.load_settings()
    with tempfile.TemporaryDirectory(prefix="cinemill-selftest-") as folder:
        video = make_test_video(settings, Path(folder))
        try:
            checks = run_with_server(
                settings,
                lambda client: dict(check_server(client, settings, video)),
                on_start=lambda: None if json else print_message("Starting a temporary server …"),
            )
        except Stopped:
            raise Interrupted from None
    if json:
        print_json(checks)
    for what, is_right in checks.items() if not json else ():
        mark = paint("✓", "green", sys.stdout) if is_right else paint("✗", "red", sys.stdout)
        print_line(f"{mark} {what}")
    if not all(checks.values()):
        raise typer.Exit(ExitCode.JOB_FAILED)


def make_test_video(settings: Settings, folder: Path) -> Path:
    """Create four seconds of test pattern and tone, unique so that it is not deduplicated."""
    from cinemill.media.ffmpeg.binary import find_ffmpeg
    from cinemill.media.ffmpeg.limits import Limits
    from cinemill.media.ffmpeg.sandbox import detect_sandbox
    from cinemill.media.ffmpeg.session import FfmpegSession

    pattern = f"testsrc2=size=640x360:rate=25:duration={VIDEO_SECONDS}"
    tone = f"sine=frequency=440:duration={VIDEO_SECONDS}"
    arguments = ["-f", "lavfi", "-i", pattern, "-f", "lavfi", "-i", tone]
    arguments += ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    arguments += ["-metadata", f"comment={uuid.uuid4()}", "selftest.mp4"]
    session = FfmpegSession(
        find_ffmpeg(settings.ffmpeg_path), folder, Limits(), detect_sandbox(settings.sandbox)
    )
    session.run(arguments, on_progress=lambda _: None)
    return folder / "selftest.mp4"


def check_server(client: Client, settings: Settings, video: Path) -> Iterator[tuple[str, bool]]:
    """Yield (check, whether it passed); later checks are skipped if they would be meaningless."""
    yield "health: all components respond", client.health().get("status") == "ok"
    task_id = str(client.upload(video, priority=10)["id"])
    events = list(client.watch(task_id))
    is_done = events[-1].status == "completed"
    yield "events: progress is reported until completion", is_done
    yield "task: SUCCESS at 100", client.task(task_id)["state"] == "SUCCESS"
    yield "result: contains the output's name", bool(client.result(task_id)["output_filename"])
    if is_done:
        yield from _check_files(client, settings, task_id, video.parent)
    client.cleanup(task_id)
    yield "cleanup: the task is deleted", _is_gone(client, task_id)


def _check_files(
    client: Client, settings: Settings, task_id: str, folder: Path
) -> Iterator[tuple[str, bool]]:
    from cinemill.media.ffmpeg.limits import Limits
    from cinemill.media.ffmpeg.sandbox import detect_sandbox
    from cinemill.media.probe.probe import probe

    asset_id = str(client.job(task_id)["asset_id"])
    kinds = {artifact["kind"] for artifact in client.asset(asset_id)["artifacts"]}
    yield f"artifacts: {', '.join(EXPECTED)}", kinds.issuperset(EXPECTED)
    proxy = client.download(asset_id, "proxy", folder / "proxy.mp4")
    info = probe(proxy, Limits(), sandbox=detect_sandbox(settings.sandbox))
    length = info.duration_seconds_from_header
    yield f"proxy: whole, {length:.1f} s long", abs(length - VIDEO_SECONDS) < 0.3
    yield f"proxy: {info.video.fps} frames a second", info.video.fps == 10


def _is_gone(client: Client, task_id: str) -> bool:
    from cinemill.client import ClientError

    try:
        client.task(task_id)
    except ClientError as error:
        return error.status == 404
    return False
