"""Music and voices mixed into the raw audio of the clips, only where they are audible.

The raw audio is one file of samples. One command mixes the region that a few overlays touch into
another of the same length, which is written back in its place.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from cinemill.capabilities.render.audio.steady_videos import open_sought
from cinemill.capabilities.render.pieces.clip_filters import StoredVideo, seek_arguments
from cinemill.capabilities.render.pieces.piece_request import (
    AudioClipSpan,
    AudioOverlay,
    AudioRequest,
)
from cinemill.capabilities.render.timeline.pieces import SAMPLE_RATE_HZ, sample_at
from cinemill.core.tracks.channels import STEREO
from cinemill.core.tracks.choice import choose_audio
from cinemill.errors import OutputInvalid
from cinemill.media.ffmpeg.arguments import keep_clock
from cinemill.media.ffmpeg.channels import count_inputs, fold_filter, locate_audio

SOUNDS_AT_ONCE = 12
PATCH_NAME = "patch.raw"
RESAMPLING = f"aresample={SAMPLE_RATE_HZ}:async=1:first_pts=0"
"""To the render's rate, with silence where none is stored. Channels are folded after it."""


@dataclass(frozen=True, slots=True)
class OverlayRegion:
    """The samples from ``first`` to before ``end``, with what is mixed into them."""

    first: int
    end: int
    sounds: tuple[AudioOverlay, ...]


def resolve_overlays(videos: Mapping[str, StoredVideo], request: AudioRequest) -> AudioRequest:
    """Return the request without sources that turned out to have no audio."""
    part = (sound for sound in request.sounds if choose_audio(videos[sound.sha256].info))
    return replace(request, sounds=tuple(part))


def split_regions(request: AudioRequest) -> list[OverlayRegion]:
    """Return the regions, each with neighboring overlays, so that none is longer than needed."""
    ordered = sorted(request.sounds, key=lambda sound: (sound.first, sound.frames))
    groups = (
        tuple(ordered[at : at + SOUNDS_AT_ONCE]) for at in range(0, len(ordered), SOUNDS_AT_ONCE)
    )
    return [
        OverlayRegion(
            min(_span(sound, request.fps)[0] for sound in group),
            max(_span(sound, request.fps)[1] for sound in group),
            group,
        )
        for group in groups
    ]


def _span(sound: AudioOverlay, fps: Fraction) -> tuple[int, int]:
    return sample_at(sound.first, fps), sample_at(sound.first + sound.frames, fps)


def plan_region_mix(
    videos: Mapping[str, StoredVideo],
    request: AudioRequest,
    region: OverlayRegion,
    *,
    raw: Sequence[str],
    raw_name: str,
    sample_bytes: int,
    max_pixels: int,
) -> list[str]:
    """Return the command that mixes a region; ``raw`` are the arguments for raw samples."""
    samples = region.end - region.first
    skip = ["-skip_initial_bytes", str(region.first * sample_bytes)]
    arguments = [*raw, *skip, "-i", raw_name]
    base = f"[0:0]atrim=end_sample={samples},asetpts=N,aformat=sample_fmts=fltp[base]"
    graph = [base]
    clocks: list[str] = []
    position = 1
    for number, sound in enumerate(region.sounds, start=1):
        video = videos[sound.sha256]
        seek, shift = _seek_arguments(video, sound.start)
        arguments += open_sought(video, seek, max_pixels)
        track = choose_audio(video.info)
        if track is None:
            raise OutputInvalid(
                "A sound file has no audio."
            )  # rejected when the render was validated
        place = locate_audio(video.info, track, position)
        clocks += keep_clock(video.info, position)
        position += count_inputs(video.info)
        begin = f"[{place}]asetpts=round(PTS-{float(shift):.6f}/TB)"
        channels = f"{RESAMPLING},{fold_filter(track, STEREO)}"
        filters = _sound_filters(sound, _span(sound, request.fps), region.first)
        graph.append(f"{begin},{channels},{filters}[sound{number}]")
    labels = "".join(f"[sound{number}]" for number in range(1, len(region.sounds) + 1))
    graph.append(
        f"[base]{labels}amix=inputs={len(region.sounds) + 1}:normalize=0:duration=first[m]"
    )
    arguments += ["-filter_complex", ";".join(graph), *clocks]
    return [*arguments, "-map", "[m]", *raw, PATCH_NAME]


def _seek_arguments(video: StoredVideo, start: Fraction) -> tuple[list[str], Fraction]:
    """Return the seek arguments; an audio file is decoded from its start.

    After a seek its demuxer only estimates the position, and decoding audio costs little.
    """
    return seek_arguments(video.info, start) if video.info.has_picture else ([], start)


def _sound_filters(sound: AudioOverlay, span: tuple[int, int], region_first: int) -> str:
    samples = span[1] - span[0]
    return (
        f"aformat=sample_fmts=fltp:channel_layouts=stereo,{volume_filters(sound, samples)}"
        f"apad=whole_len={samples},atrim=end_sample={samples},"
        f"adelay=delays={span[0] - region_first}S:all=1"
    )


def volume_filters(part: AudioClipSpan | AudioOverlay, samples: int) -> str:
    """Return filters for the volume and the fades, each followed by a comma."""
    filters = "" if part.volume == 1 else f"volume={float(part.volume):.6f},"
    fade_in = math.floor(part.fade_in_seconds * SAMPLE_RATE_HZ)
    fade_out = min(samples, math.floor(part.fade_out_seconds * SAMPLE_RATE_HZ))
    if fade_in:
        filters += f"afade=t=in:ss=0:ns={fade_in},"
    if fade_out:
        filters += f"afade=t=out:ss={samples - fade_out}:ns={fade_out},"
    return filters


def write_region(raw: Path, folder: Path, region: OverlayRegion, sample_bytes: int) -> None:
    """Write a mixed region back. Raises OutputInvalid if its length differs."""
    path = folder / PATCH_NAME
    size = path.stat().st_size if path.is_file() else 0
    if size != (region.end - region.first) * sample_bytes:
        raise OutputInvalid(
            f"A mix has {size // sample_bytes} samples instead of {region.end - region.first}."
        )
    with path.open("rb") as samples, raw.open("r+b") as whole:
        whole.seek(region.first * sample_bytes)
        shutil.copyfileobj(samples, whole, 1024 * 1024)
    path.unlink()
