"""``cinemill transcode``, ``preview`` and ``caption``: new files out of films."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cinemill.cli import options
from cinemill.cli.commands.process import run_films

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
        min=0,
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
    from cinemill.cli.uploads import Sending
    from cinemill.core.encoding.rendition import read_rendition

    wishes: dict[str, Any] = {
        "codec": codec,
        "container": container,
        "preset": preset,
        "width": width,
        "height": height,
        "bitrate": bitrate,
        "crf": crf,
        "fps": fps,
        "audio": audio,
        "vmaf_min": vmaf_min,
        "use_gpu": gpu or None,
    }
    given = {name: value for name, value in wishes.items() if value is not None}
    read_rendition(given)
    params: dict[str, Any] = {"options": given}
    if chunk_seconds is not None:
        params["chunk_seconds"] = chunk_seconds
    wish = Sending(priority, kind="transcode", params=params)
    run_films(file, wish, to, json=json)


def ladder(
    file: options.Films,
    preset: Preset = None,
    to: To = None,
    priority: options.Priority = None,
    json: options.Json = False,
) -> None:
    """Make each film ready for adaptive play: HLS and DASH over one set of files."""
    from cinemill.cli.uploads import Sending
    from cinemill.core.encoding.rendition import read_rendition

    params = {} if preset is None else {"preset": read_rendition({"preset": preset}).purpose.value}
    run_films(file, Sending(priority, kind="make_ladder", params=params), to, json=json)


def preview(
    file: options.Films,
    num_frames: Annotated[
        int, typer.Option("--num-frames", "-n", min=1, max=200, help="Stills of each film.")
    ] = 10,
    height: Annotated[int, typer.Option(min=1, max=2160, help="Of a still, in pixels.")] = 360,
    animated: Annotated[
        bool, typer.Option("--animated", help="A few silent seconds from all over the film too.")
    ] = False,
    sheet: Annotated[
        int | None,
        typer.Option(
            "--sheet", metavar="COLUMNS", min=1, max=20, help="A sheet of the stills too."
        ),
    ] = None,
    to: To = None,
    priority: options.Priority = None,
    json: options.Json = False,
) -> None:
    """Take stills spread over each film.

    A sheet shows them in a grid, each with its time; an animated preview is an MP4 for a loop.
    """
    from cinemill.cli.uploads import Sending

    params: dict[str, Any] = {"num_frames": num_frames, "height": height}
    if animated:
        params["animated"] = True
    if sheet is not None:
        params["sheet"] = {"columns": sheet}
    run_films(file, Sending(priority, kind="generate_preview", params=params), to, json=json)


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
    from cinemill.capabilities.captions.request import read_speech
    from cinemill.cli.uploads import Sending

    wishes: dict[str, Any] = {"model": model, "language": language, "translate": translate}
    given = {name: value for name, value in wishes.items() if value is not None}
    read_speech(given)
    run_films(file, Sending(priority, kind="caption", params=given), to, json=json)
