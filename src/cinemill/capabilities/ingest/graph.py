"""The plan of ingest's FFmpeg command: pure functions from values to arguments.

One decode feeds every output. The video is split at full size into the branches that need it
(proxy, shot frames, poster, thumbnail); sprite and model frames are taken from the proxy's branch,
which already has a small size and a low frame rate. ``fps`` comes before ``scale``, so that dropped
frames cost nothing, and rounds up, so that the frame at time t is the one that a viewer sees at t.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import partial

from cinemill.capabilities.ingest.request import PreparePlan, PrepareRequest
from cinemill.core.media import ArtifactKind, AudioStream, MediaInfo, SourceFormat, SpriteLayout
from cinemill.core.tracks.channels import MONO, choose_front
from cinemill.core.tracks.choice import choose_audio
from cinemill.core.tracks.joined import describe_unheard
from cinemill.media.color.convert import choose_playable, declare, scale_to
from cinemill.media.color.source import find_color
from cinemill.media.color.spaces import JFIF, ColorSpace
from cinemill.media.encoding.transparency import flatten
from cinemill.media.ffmpeg.arguments import (
    AUDIO_RATE_HZ,
    LONGEST_SIDE_PIXELS,
    audio_clock_filters,
    deinterlace,
    fit_height,
    freeze,
    hold_frames,
    hold_packets,
    input_arguments,
)
from cinemill.media.ffmpeg.channels import describe_folds, fold_filter, locate_audio
from cinemill.media.verify.expected_output import PlannedOutput

SHOT_FRAME_SIZE = (48, 27)
PROXY_CRF = 26
_EDGE = Fraction(1, 10)


def plan_prepare(
    source: str,
    info: MediaInfo,
    request: PrepareRequest,
    *,
    can_tonemap: bool,
    max_pixels: int,
    end_seconds: float | None = None,
) -> PreparePlan:
    """Plan all arguments with which FFmpeg creates ingest's files of ``source`` (a path).

    ``end_seconds`` is when the last frame ends, counted from the first, where the source does not
    say it and another decode has shown it.
    """
    sprite = plan_sprite(info, request)
    audio = choose_audio(info)
    outputs = _plan_outputs(info, request, sprite, audio)
    graph = _video_graph(info, request, sprite, can_tonemap, end_seconds)
    if audio is not None:
        graph.append(audio_graph(info, audio))
    arguments = [*input_arguments(source, info, max_pixels), "-filter_complex", ";".join(graph)]
    for output in outputs:
        if output.kind is ArtifactKind.SHOT_FRAMES:
            arguments += hold_packets(info, begins_seconds=0.0)
        arguments += _output_arguments(output, request, audio is not None)
    return PreparePlan(
        arguments=tuple(arguments),
        outputs=outputs,
        sprite=sprite,
        audio=audio,
        changes=describe_sound(info, audio),
        warnings=_warnings(info, request, can_tonemap),
        has_measured_end=end_seconds is not None,
    )


def plan_sprite(info: MediaInfo, request: PrepareRequest) -> SpriteLayout:
    """Plan tiles for the picture's duration, at an interval of whole tenths of a second."""
    duration = _declared_seconds(info)
    interval = request.sprite_interval_seconds
    if interval is None or duration / interval > request.sprite_tiles_at_most:
        shortest = max(Fraction(1), duration / request.sprite_tiles_at_most)
        interval = Fraction(math.ceil(shortest / _EDGE)) * _EDGE
    tiles = max(1, min(request.sprite_tiles_at_most, math.ceil(duration / interval)))
    columns = min(request.sprite_columns, tiles)
    width, height = fit_height(
        info.video.display_width, info.video.display_height, request.sprite_tile_height
    )
    return SpriteLayout(
        interval_seconds=interval,
        columns=columns,
        rows=math.ceil(tiles / columns),
        tile_width=min(width, LONGEST_SIDE_PIXELS // columns // 2 * 2),
        tile_height=height,
    )


def poster_seconds(info: MediaInfo) -> Fraction:
    """Return a tenth of the duration, at most ten seconds: past the black at the beginning."""
    duration = _declared_seconds(info)
    return min(duration / 10, Fraction(10))


def _plan_outputs(
    info: MediaInfo, request: PrepareRequest, sprite: SpriteLayout, audio: AudioStream | None
) -> tuple[PlannedOutput, ...]:
    display = info.video.display_width, info.video.display_height
    proxy = fit_height(*display, request.proxy_height)
    still = fit_height(*display, request.poster_height)
    sheet = sprite.columns * sprite.tile_width, sprite.rows * sprite.tile_height
    model_fps = Fraction(request.model_frames_per_second)
    kind = ArtifactKind
    outputs = [
        PlannedOutput(kind.PROXY, "proxy.mp4", "video/mp4", *proxy, Fraction(request.proxy_fps)),
        PlannedOutput(kind.POSTER, "poster.jpg", "image/jpeg", *still),
        PlannedOutput(kind.SPRITE, "sprite.jpg", "image/jpeg", *sheet),
        PlannedOutput(kind.SHOT_FRAMES, "shots.mkv", "video/x-matroska", *SHOT_FRAME_SIZE),
        PlannedOutput(kind.MODEL_FRAMES, "frames.mkv", "video/x-matroska", *proxy, model_fps),
    ]
    if request.thumbnail_seconds is not None:
        outputs.append(PlannedOutput(kind.THUMBNAIL, "thumbnail.jpg", "image/jpeg", *still))
    if audio is not None:
        outputs.append(PlannedOutput(kind.AUDIO, "audio.flac", "audio/flac"))
    return tuple(outputs)


def _video_graph(
    info: MediaInfo,
    request: PrepareRequest,
    sprite: SpriteLayout,
    can_tonemap: bool,
    end_seconds: float | None,
) -> list[str]:
    video = info.video
    display = video.display_width, video.display_height
    proxy = fit_height(*display, request.proxy_height)
    still = fit_height(*display, request.poster_height)
    source = find_color(video)
    shown = choose_playable(source, keeps_hdr=not can_tonemap)
    convert = partial(scale_to, can_tonemap=can_tonemap)
    timestamps = {"poster": poster_seconds(info), "thumbnail": request.thumbnail_seconds}
    stills = {name: timestamp for name, timestamp in timestamps.items() if timestamp is not None}
    branches = ["small", "tiny", *(f"{name}_in" for name in stills)]
    return [
        _chain(
            f"0:{video.index}",
            [
                declare(source),
                *deinterlace(info),
                *flatten(info),
                "setpts=PTS-STARTPTS",
                _split(branches),
            ],
            branches,
        ),
        _chain(
            "small",
            [
                f"fps={request.proxy_fps}:round=up",
                *hold_frames(info, Fraction(request.proxy_fps), begins_seconds=0.0),
                *([] if end_seconds is None else [f"trim=end={end_seconds:.6f}"]),
                *convert(proxy, source, shown, "yuv420p"),
                _split(["proxy", "slow", "model_in"]),
            ],
            ["proxy", "slow", "model_in"],
        ),
        _chain(
            "model_in",
            [
                f"fps={request.model_frames_per_second}:round=up",
                *convert(proxy, shown, JFIF, _JPEG),
            ],
            ["frames"],
        ),
        _chain("slow", _tile(sprite, shown, can_tonemap), ["sprite"]),
        _chain("tiny", convert(SHOT_FRAME_SIZE, source, shown, "yuv420p", flags="area"), ["shots"]),
        *(
            _chain(
                f"{name}_in",
                [*freeze(timestamp), *convert(still, source, JFIF, _JPEG), _BLANK_FIRST],
                [name],
            )
            for name, timestamp in stills.items()
        ),
    ]


_JPEG = "yuvj420p"
_BLANK_FIRST = "tpad=start=1"
"""FFmpeg reports no progress until every output has begun, and a still begins at its only frame,
which for a sprite comes at the end of the video. A blank frame precedes it, and is overwritten."""


def _chain(source: str, filters: list[str], sinks: list[str]) -> str:
    return f"[{source}]{','.join(filters)}{''.join(f'[{sink}]' for sink in sinks)}"


def _split(branches: list[str]) -> str:
    return f"split={len(branches)}"


def _tile(sprite: SpriteLayout, shown: ColorSpace, can_tonemap: bool) -> list[str]:
    size = (sprite.tile_width, sprite.tile_height)
    return [
        f"fps=1/({sprite.interval_seconds}):round=up",
        *scale_to(size, shown, JFIF, _JPEG, can_tonemap=can_tonemap),
        f"tile={sprite.columns}x{sprite.rows}",
        _BLANK_FIRST,
    ]


def _declared_seconds(info: MediaInfo) -> Fraction:
    return Fraction(info.picture_seconds).limit_denominator(1000)


def describe_sound(info: MediaInfo, audio: AudioStream | None) -> tuple[str, ...]:
    """Return what becomes of the sound that is heard, in words, and what may belong to it."""
    if audio is None:
        return ()
    folds = describe_folds(info, {audio.index: choose_front(audio)})
    return (*folds, *describe_unheard(info, audio))


def audio_graph(info: MediaInfo, audio: AudioStream) -> str:
    """Return the filters from a track to ``sound``, for people, and ``audio``, for models."""
    return (
        f"[{locate_audio(info, audio)}]{audio_clock_filters(info)},asplit=2[stereo_in][mono_in];"
        f"[stereo_in]{fold_filter(audio, choose_front(audio))}[sound];"
        f"[mono_in]{fold_filter(audio, MONO)},aformat=sample_rates={AUDIO_RATE_HZ}[audio]"
    )


def _output_arguments(output: PlannedOutput, request: PrepareRequest, has_audio: bool) -> list[str]:
    still = ["-frames:v", "2", "-c:v", "mjpeg", "-q:v", "3", "-update", "1", "-f", "image2"]
    codecs = {
        ArtifactKind.PROXY: _proxy_codecs(request, has_audio),
        # Timestamps in milliseconds, as in Matroska: an encoder's clock is the mean frame rate by
        # default, and frames of a variable rate would collide.
        ArtifactKind.SHOT_FRAMES: [
            *("-c:v", "ffv1", "-level", "3", "-g", "1", "-enc_time_base", "1:1000"),
            *("-f", "matroska"),
        ],
        ArtifactKind.MODEL_FRAMES: [
            *("-c:v", "mjpeg", "-q:v", "3", "-color_range", "pc", "-f", "matroska")
        ],
        ArtifactKind.AUDIO: ["-c:a", "flac", "-compression_level", "5", "-f", "flac"],
    }
    label = output.filename.partition(".")[0]
    streams = ["-map", f"[{label}]"]
    if output.kind is ArtifactKind.PROXY and has_audio:
        streams += ["-map", "[sound]"]
    timing = [] if output.kind is ArtifactKind.AUDIO else ["-fps_mode", "passthrough"]
    # None of the uploader's text gets into published files, and the same input gives the same
    # output.
    clean = ["-map_metadata", "-1", "-map_chapters", "-1", "-bitexact"]
    clean += ["-max_muxing_queue_size", "4096"]
    return [*streams, *timing, *codecs.get(output.kind, still), *clean, output.filename]


def _proxy_codecs(request: PrepareRequest, has_audio: bool) -> list[str]:
    video = ["-c:v", "libx264", "-preset", "veryfast", "-crf", str(PROXY_CRF)]
    # A key frame every second, because the proxy is for scrubbing.
    video += ["-g", str(request.proxy_fps), "-pix_fmt", "yuv420p", "-movflags", "+faststart"]
    audio = ["-c:a", "aac", "-b:a", "96k", "-ar", "48000"] if has_audio else []
    return [*video, *audio, "-f", "mp4"]


def _warnings(info: MediaInfo, request: PrepareRequest, can_tonemap: bool) -> tuple[str, ...]:
    found = list(info.warnings)
    if info.video.hdr and not can_tonemap:
        found.append("HDR was not tone mapped: this FFmpeg lacks zscale or tonemap")
    timestamp = request.thumbnail_seconds
    if timestamp is not None and timestamp > info.picture_seconds > 0:
        found.append("the thumbnail's time is after the end of the video: the last frame was used")
    if info.format in (SourceFormat.MPEG_TS, SourceFormat.MPEG_PS):
        found.append(
            "this container declares no duration: a file truncated between packets is not detected"
        )
    return tuple(found)
