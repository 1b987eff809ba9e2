"""``cinemill transcode``, ``preview`` and ``caption``: new files out of films."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli import options
from cinemill.cli.commands.process import run_films

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cinemill.cli.uploads import Sending

To = Annotated[
    Path | None,
    typer.Option(
        help="Fetch what was made into a folder here; of several films, each into its own.",
        file_okay=False,
    ),
]

Codec = Annotated[
    str | None, typer.Option(help="h264, h265, vp9 or av1; h264 where it is not given.")
]
Container = Annotated[str | None, typer.Option(help="mp4, webm or mkv; mp4 where it is not given.")]
Preset = Annotated[
    str | None, typer.Option(help="archive, web or mobile; web where it is not given.")
]
Side = Annotated[int | None, typer.Option(help="Pixels; the shape is kept.")]
Bitrate = Annotated[str | None, typer.Option(help="Of the picture, such as 5M or 800k.")]
Crf = Annotated[
    int | None, typer.Option(help="The encoder's quality in place of a bitrate; less is more.")
]
Fps = Annotated[
    str | None, typer.Option(help="Frames a second; the film's own where it is not given.")
]
Audio = Annotated[
    str | None, typer.Option(help="auto, aac, opus, copy or none; auto copies where it may.")
]
VmafMin = Annotated[
    float | None,
    typer.Option(help="Measure the picture against the film's, and try twice to reach so much."),
]
ChunkSeconds = Annotated[
    float | None,
    typer.Option(
        help="Cut the film about so, for all workers at once; 0 keeps it in one piece. "
        "Chosen by the film and the workers where it is not given.",
    ),
]
Gpu = Annotated[
    bool, typer.Option("--gpu", help="In hardware where a worker has it; else in software.")
]


def register(app: typer.Typer) -> None:
    app.command()(transcode)
    app.command()(preview)
    app.command()(ladder)
    app.command()(caption)


def transcode(
    file: options.Films,
    codec: Codec = None,
    container: Container = None,
    preset: Preset = None,
    width: Side = None,
    height: Side = None,
    bitrate: Bitrate = None,
    crf: Crf = None,
    fps: Fps = None,
    audio: Audio = None,
    vmaf_min: VmafMin = None,
    chunk_seconds: ChunkSeconds = None,
    gpu: Gpu = False,
    to: To = None,
    priority: options.Priority = None,
    json: options.Json = False,
) -> None:
    """Make another file of each film: codec, container, size, rate.

    What cannot be is refused before the film is sent, and what was converted on purpose is said.
    """
    options = _drop_none(
        codec=codec,
        container=container,
        preset=preset,
        width=width,
        height=height,
        bitrate=bitrate,
        crf=crf,
        fps=fps,
        audio=audio,
        vmaf_min=vmaf_min,
        use_gpu=gpu or None,
    )
    params = {"options": options, **_drop_none(chunk_seconds=chunk_seconds)}
    run_films(file, _request("transcode", params, priority), to, json=json)


def ladder(
    file: options.Films,
    preset: Preset = None,
    to: To = None,
    priority: options.Priority = None,
    json: options.Json = False,
) -> None:
    """Make each film ready for adaptive play: HLS and DASH over one set of files."""
    params = _drop_none(preset=preset)
    run_films(file, _request("make_ladder", params, priority), to, json=json)


def preview(
    file: options.Films,
    num_frames: Annotated[
        int, typer.Option("--num-frames", "-n", help="Stills of each film.")
    ] = 10,
    height: Annotated[int, typer.Option(help="Of a still, in pixels.")] = 360,
    animated: Annotated[
        bool, typer.Option("--animated", help="A few silent seconds from all over the film too.")
    ] = False,
    sheet: Annotated[
        int | None,
        typer.Option("--sheet", metavar="COLUMNS", help="A sheet of the stills too."),
    ] = None,
    to: To = None,
    priority: options.Priority = None,
    json: options.Json = False,
) -> None:
    """Take stills spread over each film.

    A sheet shows them in a grid, each with its time; an animated preview is an MP4 for a loop.
    """
    params = _drop_none(
        num_frames=num_frames,
        height=height,
        animated=animated or None,
        sheet=None if sheet is None else {"columns": sheet},
    )
    run_films(file, _request("generate_preview", params, priority), to, json=json)


def caption(
    file: options.Films,
    model: Annotated[
        str, typer.Option(help="tiny, tiny.en, base, small, medium or large.")
    ] = "base",
    language: Annotated[
        str | None,
        typer.Option(help="What is spoken, such as en or de; found where it is not given."),
    ] = None,
    translate: Annotated[bool, typer.Option("--translate", help="Into English.")] = False,
    to: To = None,
    priority: options.Priority = None,
    json: options.Json = False,
) -> None:
    """Write down what is said in each film: SRT, WebVTT, plain text and JSON.

    Fetch the model first: see 'cinemill models'.
    """
    params = _drop_none(model=model, language=language, translate=translate)
    run_films(file, _request("caption", params, priority), to, json=json)


def _drop_none(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _request(kind: str, params: dict[str, object], priority: int | None) -> Sending:
    """Check the parameters by the job's own model, before a file is sent. Raises InputRejected."""
    from cinemill.catalog import JOB_KINDS
    from cinemill.cli.uploads import Sending
    from cinemill.core.parameters import read_parameters

    read_parameters(JOB_KINDS[kind].parameters, params, name=_option_name)
    return Sending(priority, kind=kind, params=params)


def _option_name(location: Sequence[int | str]) -> str:
    """Return the option that a parameter comes from: ``--sheet`` of ``sheet.columns``."""
    parts = [str(part) for part in location if part != "options"]
    return f"--{parts[0].replace('_', '-')}" if parts else ""
