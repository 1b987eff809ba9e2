"""Music and voices mixed into the raw sound of the clips: only where they are heard, some at once.

The raw sound lies in one file, sample by sample. What a few sounds touch of it is mixed by one
command into a patch of the very same length, which is written back in its place.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from cinemill.capabilities.render.pieces.clip_filters import Film, seek_arguments
from cinemill.capabilities.render.pieces.piece_request import (
    AudioClipSpan,
    AudioOverlay,
    SoundRequest,
)
from cinemill.capabilities.render.timeline.pieces import SAMPLE_RATE_HZ, sample_at
from cinemill.errors import OutputInvalid
from cinemill.media.ffmpeg.arguments import choose_audio, input_arguments

SOUNDS_AT_ONCE = 12
PATCH_NAME = "patch.raw"
RESAMPLING = f"aresample={SAMPLE_RATE_HZ}:async=1:first_pts=0:rematrix_maxval=1"
"""Surround sound is folded so that it is nowhere louder than its loudest channel may be: between
floats FFmpeg would else only add up."""


@dataclass(frozen=True, slots=True)
class OverlayRegion:
    """The samples from ``first`` until before ``end``, with what is mixed into them."""

    first: int
    end: int
    sounds: tuple[AudioOverlay, ...]


def resolve_overlays(films: Mapping[str, Film], request: SoundRequest) -> SoundRequest:
    """The same request without films that turned out to have no sound."""
    heard = (sound for sound in request.sounds if choose_audio(films[sound.sha256].info))
    return replace(request, sounds=tuple(heard))


def split_regions(request: SoundRequest) -> list[OverlayRegion]:
    """Neighbours together, so that a patch is not longer than it must be."""
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


def plan_patch(
    films: Mapping[str, Film],
    request: SoundRequest,
    patch: OverlayRegion,
    *,
    raw: Sequence[str],
    raw_name: str,
    sample_bytes: int,
    max_pixels: int,
) -> list[str]:
    """``raw`` are the arguments that tell FFmpeg what raw samples are."""
    samples = patch.end - patch.first
    skip = ["-skip_initial_bytes", str(patch.first * sample_bytes)]
    arguments = [*raw, *skip, "-i", raw_name]
    base = f"[0:0]atrim=end_sample={samples},asetpts=N,aformat=sample_fmts=fltp[base]"
    graph = [base]
    for number, sound in enumerate(patch.sounds, start=1):
        film = films[sound.sha256]
        seek, shift = _enter(film, sound.start)
        arguments += [*seek, *input_arguments(str(film.path), film.info, max_pixels)]
        track = choose_audio(film.info)
        if track is None:
            raise OutputInvalid("A sound file has no audio.")  # refused when the render was opened
        filters = _sound_filters(sound, shift, _span(sound, request.fps), patch.first)
        graph.append(f"[{number}:{track.index}]{filters}[sound{number}]")
    labels = "".join(f"[sound{number}]" for number in range(1, len(patch.sounds) + 1))
    graph.append(f"[base]{labels}amix=inputs={len(patch.sounds) + 1}:normalize=0:duration=first[m]")
    return [*arguments, "-filter_complex", ";".join(graph), "-map", "[m]", *raw, PATCH_NAME]


def _enter(film: Film, start: Fraction) -> tuple[list[str], Fraction]:
    """A file of sound only is decoded from its beginning: where it is entered its demuxer guesses,
    and decoding sound costs little."""
    return seek_arguments(film.info, start) if film.info.has_picture else ([], start)


def _sound_filters(
    sound: AudioOverlay, shift: Fraction, span: tuple[int, int], patch_first: int
) -> str:
    samples = span[1] - span[0]
    return (
        f"asetpts=round(PTS-{float(shift):.6f}/TB),"
        f"{RESAMPLING},"
        f"aformat=sample_fmts=fltp:channel_layouts=stereo,{write_loudness(sound, samples)}"
        f"apad=whole_len={samples},atrim=end_sample={samples},"
        f"adelay=delays={span[0] - patch_first}S:all=1"
    )


def write_loudness(heard: AudioClipSpan | AudioOverlay, samples: int) -> str:
    """Filters for the volume and the fades, each with its comma."""
    filters = "" if heard.volume == 1 else f"volume={float(heard.volume):.6f},"
    fade_in = math.floor(heard.fade_in_seconds * SAMPLE_RATE_HZ)
    fade_out = min(samples, math.floor(heard.fade_out_seconds * SAMPLE_RATE_HZ))
    if fade_in:
        filters += f"afade=t=in:ss=0:ns={fade_in},"
    if fade_out:
        filters += f"afade=t=out:ss={samples - fade_out}:ns={fade_out},"
    return filters


def write_region(raw: Path, folder: Path, patch: OverlayRegion, sample_bytes: int) -> None:
    """Raises OutputInvalid where the patch is not as long as what it replaces."""
    path = folder / PATCH_NAME
    size = path.stat().st_size if path.is_file() else 0
    if size != (patch.end - patch.first) * sample_bytes:
        raise OutputInvalid(
            f"A mix has {size // sample_bytes} samples instead of {patch.end - patch.first}."
        )
    with path.open("rb") as samples, raw.open("r+b") as whole:
        whole.seek(patch.first * sample_bytes)
        shutil.copyfileobj(samples, whole, 1024 * 1024)
    path.unlink()
