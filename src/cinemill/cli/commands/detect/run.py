"""``cinemill detect FILE``: examines videos for manipulated faces and prints the verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli import options
from cinemill.errors import CinemillError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cinemill.cli.commands.detect.inputs import Inputs
    from cinemill.cli.commands.detect.outcomes import Detection
    from cinemill.cli.progress import Display
    from cinemill.cli.uploads import UploadBatch, UploadResult
    from cinemill.client import Client
    from cinemill.client.models import FrameScoreDocument

KIND = "detect_video"


def run(
    file: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="Video files, folders of videos, or IDs of videos that are on the server.",
        ),
    ],
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="Examine 8 frames instead of 32. It decides only with a calibration for 8.",
        ),
    ] = False,
    priority: options.Priority = None,
    json: options.Json = False,
) -> None:
    """Examine videos for manipulated faces; 'run' may be left out: cinemill detect FILE.

    Uses the running server, or starts a temporary one and stops it afterwards. A verdict is a
    success, whatever it says; exit codes report videos that could not be examined. If one video
    fails, the others continue.
    """
    from cinemill.cli.commands.detect.inputs import read_inputs
    from cinemill.cli.commands.detect.outcomes import refuse
    from cinemill.cli.exit_codes import highest
    from cinemill.cli.uploads import UploadBatch

    inputs = read_inputs(file)
    outcomes = {name: refuse(name, error) for name, error in inputs.errors.items()}
    frames: list[FrameScoreDocument] = []
    if inputs.videos or inputs.assets:
        batch = UploadBatch(priority, kind=KIND, params={"fast": fast})
        is_alone = len(inputs.names) == 1 and not json
        found, frames = _examine_anywhere(inputs, batch, with_frames=is_alone, json=json)
        outcomes |= found
    _show([outcomes[name] for name in inputs.names], frames, json=json)
    raise typer.Exit(highest(outcome.exit_code for outcome in outcomes.values()))


def _examine_anywhere(
    inputs: Inputs, batch: UploadBatch, *, with_frames: bool, json: bool
) -> tuple[Mapping[str, Detection], list[FrameScoreDocument]]:
    """Examine the videos with the running server, else with a temporary one.

    ``with_frames`` also reads the scores of all frames, for the time lines of a single video.
    """
    from cinemill.cli.commands.process import work_on_any_server

    def work(
        client: Client, display: Display
    ) -> tuple[Mapping[str, Detection], list[FrameScoreDocument]]:
        found = examine(client, inputs, batch, display)
        return found, _read_frames(client, found) if with_frames else []

    return work_on_any_server(work, json=json)


def examine(
    client: Client, inputs: Inputs, batch: UploadBatch, display: Display
) -> dict[str, Detection]:
    """Upload the videos, follow their analyses to the end, and return the outcomes by name."""
    from cinemill.cli.commands.detect.outcomes import read_detection, refuse
    from cinemill.cli.commands.process import send_and_follow
    from cinemill.cli.uploads import queue_assets, upload_videos

    def send(client: Client, display: Display, sent: UploadResult) -> None:
        queue_assets(client, inputs.assets, batch, display, sent)
        upload_videos(client, inputs.videos, batch, display, sent)

    sent = send_and_follow(client, send, display)
    outcomes = {name: refuse(name, error) for name, error in sent.errors.items()}
    for name, job_id in sent.job_ids.items():
        try:
            if name in sent.errors:
                raise sent.errors[name]
            outcomes[name] = read_detection(client, name, job_id)
        except CinemillError as error:
            outcomes[name] = refuse(name, error, job_id)
    return outcomes


def _read_frames(client: Client, found: Mapping[str, Detection]) -> list[FrameScoreDocument]:
    """Return the scores of the frames of the only video; nothing where it has no faces."""
    (outcome,) = found.values()
    if not outcome.list_faces():
        return []
    return list(client.analysis_frames(outcome.job_id))


def _show(outcomes: list[Detection], frames: list[FrameScoreDocument], *, json: bool) -> None:
    from cinemill.cli.commands.detect.verdict_view import show_table, show_verdict
    from cinemill.cli.console import print_json

    if json:
        print_json([outcome.to_json() for outcome in outcomes])
    elif len(outcomes) == 1:
        show_verdict(outcomes[0], frames)
    else:
        show_table(outcomes)
