"""The plan of one rendition: pure functions from values to FFmpeg's arguments.

Properties that cannot be kept are converted on purpose and reported: a rotated video is turned
upright, an interlaced one is deinterlaced, HDR is tone-mapped for a codec that people play without
it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from cinemill.core.encoding.rendition import (
    LARGEST_SIDE_PIXELS,
    Container,
    RenditionRequest,
    SoundChoice,
    VideoCodec,
)
from cinemill.core.media import MediaInfo, Scan, SubtitleStream
from cinemill.core.sizes import make_even
from cinemill.errors import InputRejected
from cinemill.media.color.convert import choose_playable, declare, name_colors, scale_to
from cinemill.media.color.source import find_color
from cinemill.media.encoding.audio_plan import hear_copied_audio, plan_audio
from cinemill.media.encoding.hardware import HardwareEncoder
from cinemill.media.encoding.transparency import OVER_BLACK, flatten
from cinemill.media.ffmpeg.arguments import (
    change_rate,
    deinterlace,
    fit_height,
    hold_packets,
    input_arguments,
)
from cinemill.media.ffmpeg.containers import MUXERS

VARIABLE_CLOCK_HZ = 90_000
"""Encoder clock if the frame rate varies: by default its clock is the mean rate, and frames would
collide."""
BITRATE_HEADROOM = Fraction(3, 2)
BUFFER_SECONDS = 2
"""A bitrate is kept over this time, which a player that buffers can bear."""
SUBTITLE_CODECS: Mapping[str, str] = {"mp4": "mov_text", "webm": "webvtt", "mkv": "subrip"}
"""What a container's subtitles are converted to if they cannot be copied."""
COPYABLE_TEXT: Mapping[Container, frozenset[str]] = {
    Container.MP4: frozenset({"mov_text"}),
    Container.WEBM: frozenset({"webvtt"}),
    Container.MKV: frozenset(
        {"subrip", "ass", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"}
    ),
}
PLAIN_TEXT = frozenset({"subrip", "ass", "mov_text", "webvtt", "text"})
"""Subtitles that are text; the others are images of text."""
MEDIA_TYPES: Mapping[Container, str] = {
    Container.MP4: "video/mp4",
    Container.WEBM: "video/webm",
    Container.MKV: "video/x-matroska",
}
ENCODERS: Mapping[VideoCodec, tuple[str, ...]] = {
    VideoCodec.H264: ("libx264",),
    VideoCodec.H265: ("libx265",),
    VideoCodec.VP9: ("libvpx-vp9",),
    VideoCodec.AV1: ("libsvtav1", "libaom-av1"),
}
"""In the order in which they are tried."""
TEN_BIT_CODECS = frozenset({VideoCodec.H265, VideoCodec.VP9, VideoCodec.AV1})
"""Codecs that players support with ten bits, and with HDR."""


@dataclass(frozen=True, slots=True)
class EncodePlan:
    arguments: tuple[str, ...]
    """FFmpeg's arguments, inputs and outputs; the output's name is relative to the private
    folder."""
    filters: tuple[str, ...]
    """The video filters among them."""
    video_arguments: tuple[str, ...]
    """The arguments of the video's clock and encoder among them."""
    tracks: tuple[str, ...]
    """The arguments of audio and subtitles among them."""
    filename: str
    media_type: str
    codec: VideoCodec
    encoder: str
    width: int
    height: int
    fps: Fraction | None
    """None keeps the source's own timestamps."""
    audio_tracks: int
    """Number of audio tracks in the output."""
    subtitles: int
    """Number of subtitle tracks in the output."""
    changes: tuple[str, ...]
    """Descriptions of what was converted on purpose."""


def plan_encode(
    source: str,
    info: MediaInfo,
    request: RenditionRequest,
    *,
    encoder: str | HardwareEncoder,
    can_tonemap: bool,
    max_pixels: int,
) -> EncodePlan:
    """Plan FFmpeg's arguments for this rendition of ``source`` (a path).

    ``encoder`` is the name of a software encoder, or a hardware encoder.
    """
    width, height = fit_box(info, request)
    _reject_large(width, height, max_pixels)
    filters, changes = plan_video_filters(info, request, (width, height), can_tonemap)
    if request.sound is SoundChoice.NONE:
        info = replace(info, audio=())
    audio_arguments, audio_changes = plan_audio(info, request)
    text_arguments, text_changes, texts = _plan_subtitles(info.subtitles, request.container)
    filename = f"rendition.{request.container.value}"
    is_deep = keeps_bit_depth(info, request)
    device = []
    if isinstance(encoder, HardwareEncoder):
        device = encoder.input_arguments
        filters += encoder.plan_filters(is_deep=is_deep)
    video_arguments = (
        *_clock_arguments(info, request),
        *encoder_arguments(encoder, request, is_deep=is_deep),
    )
    tracks = (*audio_arguments, *text_arguments)
    arguments = [
        *device,
        *input_arguments(source, info, max_pixels),
        *("-map", f"0:{info.video.index}", "-vf", ",".join(filters)),
        *video_arguments,
        *hold_packets(info, begins_seconds=info.lead_seconds),
        *tracks,
        *("-map_metadata", "0", "-map_chapters", "0", "-max_muxing_queue_size", "4096"),
        *MUXERS[request.container],
        filename,
        *hear_copied_audio(info, request),
    ]
    return EncodePlan(
        arguments=tuple(arguments),
        filters=tuple(filters),
        video_arguments=video_arguments,
        tracks=tracks,
        filename=filename,
        media_type=MEDIA_TYPES[request.container],
        codec=request.codec,
        encoder=encoder if isinstance(encoder, str) else encoder.name,
        width=width,
        height=height,
        fps=request.fps,
        audio_tracks=len(info.audio),
        subtitles=texts,
        changes=(*changes, *audio_changes, *text_changes),
    )


def _reject_large(width: int, height: int, max_pixels: int) -> None:
    if max(width, height) > LARGEST_SIDE_PIXELS or width * height > max_pixels:
        raise InputRejected(
            f"The frame size {width}x{height} exceeds the limit.",
            code="combination_impossible",
            hint="Request a smaller width or height.",
        )


def fit_box(info: MediaInfo, request: RenditionRequest) -> tuple[int, int]:
    """Return even sizes that fit the requested box and keep the shape; by default the source's.

    A preset's height is a maximum; explicitly requested sizes may be larger than the source.
    """
    width, height = info.video.display_width, info.video.display_height
    if request.width is None and request.height is None:
        return fit_height(width, height, request.preset.height_at_most)
    by_width = Fraction(request.width, width) if request.width else None
    by_height = Fraction(request.height, height) if request.height else None
    scale = min(share for share in (by_width, by_height) if share is not None)
    return make_even(width * scale), make_even(height * scale)


def plan_video_filters(
    info: MediaInfo, request: RenditionRequest, size: tuple[int, int], can_tonemap: bool
) -> tuple[list[str], list[str]]:
    """Return filters from the source's frames to the encoder, and descriptions of changes."""
    video, changes = info.video, []
    source = find_color(video)
    filters = [declare(source), *deinterlace(info)]
    if video.is_interlaced:
        some = "some frames of " if video.scan == Scan.MIXED else ""
        changes.append(f"{some}the video {'were' if some else 'was'} deinterlaced")
    if video.has_alpha:
        filters += flatten(info)
        changes.append(OVER_BLACK)
    if request.fps is not None:
        filters += change_rate(info, request.fps, begins_seconds=info.lead_seconds)
    if video.rotation_degrees:
        changes.append(f"the video was rotated by {video.rotation_degrees} degrees")
    if video.hdr and request.codec not in TEN_BIT_CODECS:
        changes.append(_tone_arguments(request.codec, can_tonemap))
    deep = keeps_bit_depth(info, request)
    if video.bit_depth > 8 and not deep and not video.hdr:
        changes.append(f"{video.bit_depth} bits per sample were reduced to 8")
    keeps_hdr = request.codec in TEN_BIT_CODECS or not can_tonemap
    target = choose_playable(source, keeps_hdr=keeps_hdr)
    if not source.is_hdr and source.matrix != target.matrix:
        changes.append(f"the colors were converted from {name_colors(source)} to BT.709")
    pixels = "yuv420p10le" if deep else "yuv420p"
    filters += scale_to(size, source, target, pixels, can_tonemap=can_tonemap)
    return filters, changes


def _tone_arguments(codec: VideoCodec, can_tonemap: bool) -> str:
    if can_tonemap:
        return f"HDR was tone-mapped to SDR, because players expect SDR in {codec.value}"
    return "HDR was not tone-mapped: this FFmpeg lacks zscale or tonemap"


def keeps_bit_depth(info: MediaInfo, request: RenditionRequest) -> bool:
    """Check whether the rendition has ten bits a sample."""
    return info.video.bit_depth > 8 and request.codec in TEN_BIT_CODECS


def _clock_arguments(info: MediaInfo, request: RenditionRequest) -> list[str]:
    if request.fps is not None or not info.video.is_variable_rate:
        return ["-fps_mode", "passthrough"]
    return ["-fps_mode", "passthrough", "-enc_time_base", f"1:{VARIABLE_CLOCK_HZ}"]


def encoder_arguments(
    encoder: str | HardwareEncoder, request: RenditionRequest, *, is_deep: bool
) -> list[str]:
    """Return the arguments of the video encoder, its effort and its rate."""
    tag: list[str] = []
    if request.codec is VideoCodec.H265 and request.container is Container.MP4:
        tag = ["-tag:v", "hvc1"]  # the tag that Apple's players require
    if isinstance(encoder, HardwareEncoder):
        return [*encoder.plan_arguments(request), *tag]
    effort = _EFFORTS[encoder](request.preset.effort[request.codec])
    return ["-c:v", encoder, *effort, *tag, *_rate_arguments(encoder, request)]


def _rate_arguments(encoder: str, request: RenditionRequest) -> list[str]:
    if request.bitrate_bps is None:
        crf = request.effective_crf
        return ["-crf", str(crf), *(["-b:v", "0"] if encoder in _CRF_NEEDS_ZERO_BITRATE else [])]
    bps = request.bitrate_bps
    arguments = ["-b:v", str(bps)]
    if encoder not in _MAXRATE_NEEDS_CRF:
        arguments += ["-maxrate", str(int(bps * BITRATE_HEADROOM))]
        arguments += ["-bufsize", str(bps * BUFFER_SECONDS)]
    return arguments


_CRF_NEEDS_ZERO_BITRATE = frozenset({"libvpx-vp9", "libaom-av1"})
"""Encoders for which crf is only a lower bound unless the bitrate is zero."""
_MAXRATE_NEEDS_CRF = frozenset({"libsvtav1"})
"""Encoders that accept a maximum bitrate only together with a crf."""
_EFFORTS: Mapping[str, Callable[[str], list[str]]] = {
    "libx264": lambda effort: ["-preset", effort],
    "libx265": lambda effort: ["-preset", effort, "-x265-params", "log-level=error:info=0"],
    "libvpx-vp9": lambda effort: ["-deadline", "good", "-cpu-used", effort, "-row-mt", "1"],
    "libsvtav1": lambda effort: ["-preset", effort],
    "libaom-av1": lambda effort: ["-cpu-used", str(min(8, int(effort))), "-row-mt", "1"],
}


def _plan_subtitles(
    subtitles: tuple[SubtitleStream, ...], container: Container
) -> tuple[list[str], list[str], int]:
    """Return arguments, descriptions of changes, and the number of tracks that are kept."""
    arguments: list[str] = []
    changes: list[str] = []
    kept = 0
    for position, track in enumerate(subtitles, 1):
        codec = (
            "copy" if track.codec in COPYABLE_TEXT[container] else SUBTITLE_CODECS[container.value]
        )
        if codec != "copy" and track.codec not in PLAIN_TEXT:
            changes.append(
                f"subtitle track {position} was left out: {container.value} cannot hold "
                f"{track.codec}"
            )
            continue
        arguments += ["-map", f"0:{track.index}", f"-c:s:{kept}", codec]
        kept += 1
    return arguments, changes, kept
