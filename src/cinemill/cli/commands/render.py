"""``cinemill render`` and ``batch``: rendering timelines into videos."""

from __future__ import annotations

import json as json_format
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cinemill.cli import connect, options
from cinemill.cli.input_files import FileUnusable
from cinemill.errors import CinemillError, InputRejected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cinemill.cli.progress import Display
    from cinemill.cli.result import Result
    from cinemill.cli.uploads import UploadResult
    from cinemill.client import Client
    from cinemill.client.models import ErrorDocument

Timelines = Annotated[
    list[Path], typer.Argument(metavar="TIMELINE", help="JSON files with one timeline each.")
]
To = Annotated[
    Path | None,
    typer.Option(
        help=(
            "Download the output into this folder; with several timelines, one subfolder for each."
        ),
        file_okay=False,
    ),
]
PATHS = frozenset({"path", "video_path", "subtitles"})
"""Members of a timeline that hold file paths."""


class TimelineUnreadable(InputRejected):
    """A timeline file that is not JSON."""

    code = "timeline_unreadable"
    hint = "Check the file; docs/how-to/render.md shows what a timeline looks like."


def register(app: typer.Typer) -> None:
    app.command()(render)
    app.command()(batch)


def render(
    timeline: Timelines,
    to: To = None,
    priority: options.Priority = None,
    json: options.Json = False,
) -> None:
    """Render timelines; each becomes one video.

    Relative paths start from the timeline's folder. The server must be able to read them.
    """
    from cinemill.cli.commands.process import ProcessOrder, finish, process_on_any_server
    from cinemill.cli.files.named_files import Shelves
    from cinemill.cli.input_files import display_names, name_folders, require_writable
    from cinemill.cli.result import refused

    named = display_names(timeline)
    folders = name_folders(list(named), to)
    if to is not None:
        require_writable(to, folders.values())
    read: dict[str, Any] = {}
    outcomes = {}
    for name, path in named.items():
        try:
            read[name] = {"job": read_timeline(path)}
        except CinemillError as error:
            outcomes[name] = refused(name, error)
    if read:
        order = ProcessOrder(
            lambda client, display, sent: submit(client, read, priority, display, sent),
            folders,
            list(read),
            Shelves.from_settings(connect.load_settings()),
        )
        outcomes |= process_on_any_server(order, json=json)
    finish([outcomes[name] for name in named], to, json=json)


def batch(
    timeline: Annotated[
        Path, typer.Argument(metavar="TIMELINES", help="A JSON file with a list of timelines.")
    ],
    priority: options.Priority = None,
    json: options.Json = False,
) -> None:
    """Render a list of timelines and print each result. If one fails, the others continue."""
    from cinemill.cli.commands.process import follow_to_end
    from cinemill.cli.console import print_error, print_json, print_message
    from cinemill.cli.exit_codes import exit_code_of, highest
    from cinemill.cli.progress import open_display
    from cinemill.cli.result import JobFailed

    timelines = read_timeline(timeline)
    with connect.connect() as client, open_display(quiet=json) as display:
        job_id = str(client.submit("batch_render", {"jobs": timelines}, priority=priority)["id"])
        for error in follow_to_end(client, {timeline.name: job_id}, display).values():
            raise error
        job = client.job(job_id)
        if job["status"] != "completed":
            raise JobFailed(job)
        results = (job.get("result") or {}).get("results", [])
        errors = {
            position: _read_error(client, result)
            for position, result in enumerate(results)
            if "error" in result
        }
    if json:
        print_json(results)
    for position, result in enumerate(results) if not json else ():
        if position in errors:
            print_error(errors[position], about=str(position))
        else:
            print_message(f"{position}: {result['output_path']}")
    raise typer.Exit(highest(exit_code_of(error) for error in errors.values()))


def _read_error(client: Client, result: Result) -> CinemillError:
    """Return the error of one render as ``render`` reports it: the result has less than the job."""
    from cinemill.cli.result import JobFailed

    job_id = result.get("job_id")
    with suppress(CinemillError):
        if job_id:
            return JobFailed(client.job(str(job_id)))
    stored = result["error"]
    hint = stored.get("hint") or "Render it again; 'cinemill jobs' lists what is left."
    failure: ErrorDocument = {"code": stored["code"], "message": stored["message"], "hint": hint}
    return JobFailed({"id": str(job_id or ""), "status": "failed", "error": failure})


def read_timeline(path: Path) -> Any:
    """Return the file's JSON with absolute paths. Raises FileUnusable, TimelineUnreadable."""
    try:
        document = json_format.loads(path.read_text("utf-8"))
    except OSError as error:
        # As for a video that cannot be read: nothing is wrong with what is in the file.
        raise FileUnusable(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise TimelineUnreadable(f"{path} is not JSON: {error}.") from error
    return anchor_paths(document, path.parent.absolute())


def anchor_paths(document: Any, folder: Path) -> Any:
    """Return the document with every relative path resolved against ``folder``."""
    if isinstance(document, list):
        return [anchor_paths(one, folder) for one in document]
    if not isinstance(document, dict):
        return document
    return {
        name: str(folder / value)
        if name in PATHS and isinstance(value, str)
        else anchor_paths(value, folder)
        for name, value in document.items()
    }


def submit(
    client: Client,
    jobs: Mapping[str, Mapping[str, object]],
    priority: int | None,
    display: Display,
    sent: UploadResult,
) -> None:
    """Submit each render, and record its receipt or error in ``sent``."""
    from cinemill.cli.ids import shorten

    for name, params in jobs.items():
        try:
            job = client.submit("render_video", params, priority=priority)
        except CinemillError as error:
            sent.errors[name] = error
            display.failed(name, "not accepted")
        else:
            sent.jobs[name] = job
            display.accepted(name, shorten(str(job["id"])))
