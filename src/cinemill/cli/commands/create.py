"""``cinemill transcode``, ``ladder``, ``preview`` and ``caption``: new outputs from videos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli import options
from cinemill.cli.arguments import choices
from cinemill.cli.arguments.choices import LANGUAGES, check_language, complete_from
from cinemill.cli.commands.process import process_videos

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cinemill.cli.uploads import UploadBatch

To = Annotated[
    Path | None,
    typer.Option(
        help="Download the outputs into this folder; with several videos, one subfolder for each.",
        file_okay=False,
    ),
]

Codec = Annotated[
    choices.VideoCodec | None,
    typer.Option(help="Video codec: h264, h265, vp9 or av1. Default: h264."),
]
Container = Annotated[
    choices.Container | None, typer.Option(help="Container: mp4, webm or mkv. Default: mp4.")
]
Preset = Annotated[
    choices.Preset | None, typer.Option(help="Preset: archive, web or mobile. Default: web.")
]
Side = Annotated[
    int | None,
    typer.Option(
        help="In pixels. The video is fitted into width and height; its aspect ratio is kept."
    ),
]
Bitrate = Annotated[str | None, typer.Option(help="Average video bitrate, such as 5M or 800k.")]
Crf = Annotated[
    int | None, typer.Option(help="Constant rate factor instead of a bitrate; lower is better.")
]
Fps = Annotated[str | None, typer.Option(help="Frame rate. Default: that of the source.")]
Audio = Annotated[
    choices.AudioCodec | None,
    typer.Option(
        help=(
            "Audio codec: auto, aac, opus, copy or none. Auto copies audio that the "
            "container can hold."
        )
    ),
]
VmafMin = Annotated[
    float | None,
    typer.Option(
        help=(
            "Minimum VMAF score against the source. If the first encode falls short, one "
            "better encode is attempted."
        )
    ),
]
ChunkSeconds = Annotated[
    float | None,
    typer.Option(
        help="Split into chunks of about this many seconds, encoded in parallel; 0 disables "
        "splitting. Default: chosen by the video's length and the workers.",
    ),
]
Gpu = Annotated[
    bool, typer.Option("--gpu", help="Encode on a GPU if a worker has one, otherwise in software.")
]


def register(app: typer.Typer) -> None:
    app.command()(transcode)
    app.command()(preview)
    app.command()(ladder)
    app.command()(caption)


def transcode(
    file: options.VideoFiles,
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
    best_effort: options.BestEffort = False,
    to: To = None,
    priority: options.Priority = None,
    json: options.Json = False,
) -> None:
    """Transcode videos: change codec, container, resolution, frame rate or bitrate.

    Impossible combinations are rejected before upload. The result lists all conversions.
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
    more = _drop_none(chunk_seconds=chunk_seconds, best_effort=best_effort or None)
    params = {"options": options, **more}
    process_videos(file, _request("transcode", params, priority), to, json=json)


def ladder(
    file: options.VideoFiles,
    preset: Preset = None,
    best_effort: options.BestEffort = False,
    to: To = None,
    priority: options.Priority = None,
    json: options.Json = False,
) -> None:
    """Create an adaptive stream (HLS and DASH) from each video."""
    params = _drop_none(preset=preset, best_effort=best_effort or None)
    process_videos(file, _request("make_ladder", params, priority), to, json=json)


def preview(
    file: options.VideoFiles,
    num_frames: Annotated[
        int, typer.Option("--num-frames", "-n", help="Number of stills for each video.")
    ] = 10,
    height: Annotated[int, typer.Option(help="Height of the stills in pixels.")] = 360,
    animated: Annotated[
        bool,
        typer.Option("--animated", help="Also create a short silent preview video with excerpts."),
    ] = False,
    sheet: Annotated[
        int | None,
        typer.Option(
            "--sheet", metavar="COLUMNS", help="Also create a contact sheet with this many columns."
        ),
    ] = None,
    to: To = None,
    priority: options.Priority = None,
    json: options.Json = False,
) -> None:
    """Extract stills at regular intervals from each video.

    A contact sheet shows them in a grid with times; an animated preview is a short, looping MP4.
    """
    params = _drop_none(
        num_frames=num_frames,
        height=height,
        animated=animated or None,
        sheet=None if sheet is None else {"columns": sheet},
    )
    process_videos(file, _request("generate_preview", params, priority), to, json=json)


def caption(
    file: options.VideoFiles,
    model: Annotated[
        choices.SpeechModel,
        typer.Option(help="Model: tiny, tiny.en, base, small, medium or large."),
    ] = "base",
    language: Annotated[
        str | None,
        typer.Option(
            help=f"Spoken language, by its code: {' '.join(LANGUAGES)}. Default: detected.",
            callback=check_language,
            autocompletion=complete_from(LANGUAGES),
        ),
    ] = None,
    translate: Annotated[
        bool, typer.Option("--translate", help="Translate the captions into English.")
    ] = False,
    to: To = None,
    priority: options.Priority = None,
    json: options.Json = False,
) -> None:
    """Create captions from speech, as SRT, WebVTT, plain text and JSON.

    A missing model is downloaded first, unless the settings forbid it.
    """
    params = _drop_none(model=model, language=language, translate=translate)
    process_videos(file, _request("caption", params, priority), to, json=json)


def _drop_none(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _request(kind: str, params: dict[str, object], priority: int | None) -> UploadBatch:
    """Return upload options after checking the parameters, before a file is sent.

    Raises UsageInvalid: nothing is wrong with a video.
    """
    from cinemill.catalog import JOB_KINDS
    from cinemill.cli.arguments.usage import UsageInvalid
    from cinemill.cli.uploads import UploadBatch
    from cinemill.core.parameter_reader import read_parameters
    from cinemill.errors import InputRejected

    try:
        read_parameters(JOB_KINDS[kind].parameters, params, name=_option_name)
    except InputRejected as refusal:
        raise UsageInvalid(refusal.message, code=refusal.code, hint=refusal.hint) from refusal
    return UploadBatch(priority, kind=kind, params=params)


def _option_name(location: Sequence[int | str]) -> str:
    """Return the option that a parameter comes from: ``--sheet`` for ``sheet.columns``."""
    parts = [str(part) for part in location if part != "options"]
    return f"--{parts[0].replace('_', '-')}" if parts else ""
