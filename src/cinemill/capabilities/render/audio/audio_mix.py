"""The sound of a whole timeline: clip by clip to exact samples, encoded once, unsplit.

Each clip is decoded once and cut, on the same grid of samples as the film's frames, into what it
shares with its neighbours and what is its own. A few clips are worked on by one command, so that
memory and open files do not grow with the film; the raw stretches, each exactly as long as it
should be, are laid end to end, music and voices mixed into them, and all encoded in one go.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from cinemill.capabilities.render.audio.audio_overlays import (
    RESAMPLING,
    plan_patch,
    split_regions,
    write_loudness,
    write_region,
)
from cinemill.capabilities.render.pieces.clip_filters import Film, seek_arguments
from cinemill.capabilities.render.pieces.piece_request import GAP, AudioClipSpan, SoundRequest
from cinemill.capabilities.render.timeline.pieces import SAMPLE_RATE_HZ, sample_at
from cinemill.core.media import AudioStream
from cinemill.errors import OutputInvalid
from cinemill.media.ffmpeg.arguments import choose_audio, input_arguments
from cinemill.media.ffmpeg.process import FfmpegProgress
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.packets import PacketError, open_mp4

CLIPS_AT_ONCE = 12
_RAW_SHARE = 0.8
"""Of the work: decoding; the rest is encoding."""
CHANNELS = 2
SAMPLE_BYTES = 4 * CHANNELS
BITRATE_BPS = 192_000
RAW_NAME = "sound.raw"
SOUND_NAME = "sound.m4a"
RAW_FORMAT = ("-f", "f32le", "-ar", str(SAMPLE_RATE_HZ), "-ac", str(CHANNELS))
"""What is louder than full scale stays so until all is mixed."""
LIMITER = "alimiter=limit=1:level=0:latency=1"
"""Turns down, for some milliseconds, what exceeds full scale; all else passes bit by bit."""
_ENCODING = (
    *("-af", LIMITER, "-c:a", "aac", "-b:a", str(BITRATE_BPS)),
    *("-bitexact", "-f", "mp4"),
)
CROSSFADE_CURVE = "qsin"
"""Of equal power: two sounds that have nothing to do with each other keep their loudness."""


@dataclass(frozen=True, slots=True)
class MixSegment:
    """Samples of the film that one clip, or with ``is_shared`` it and the next, sounds through."""

    take: int
    start: int
    """Within the clip."""
    samples: int
    is_shared: bool

    @property
    def takes(self) -> tuple[int, ...]:
        return (self.take, self.take + 1) if self.is_shared else (self.take,)


@dataclass(frozen=True, slots=True)
class SoundOutcome:
    path: Path
    facts: dict[str, Any]
    """``samples``, ``sample_rate_hz``, ``channels``."""


def mix_sound(
    session: FfmpegSession, films: Mapping[str, Film], request: SoundRequest
) -> SoundOutcome:
    """The whole sound as AAC in the folder; ``films`` by sha256.

    Raises OutputInvalid, CommandFailed, CommandStalled, DiskFull, and whatever ``should_stop``
    returns.
    """
    folder, limits, on_progress = session.folder, session.limits, session.on_progress
    raw = folder / RAW_NAME
    raw.touch()
    batches = _cut_batches(request)
    for number, batch in enumerate(batches):
        needed = {request.takes[index].sha256 for one in batch for index in one.takes}
        session.run(
            plan_stretches(films, request, batch, limits.max_pixels),
            readable=[films[sha256].path for sha256 in needed if sha256 != GAP],
            on_progress=_as_share(
                on_progress, number * _RAW_SHARE / len(batches), _RAW_SHARE / len(batches), batch
            ),
        )
        _append(raw, folder, batch)
    for patch in split_regions(request):
        session.run(
            plan_patch(
                films,
                request,
                patch,
                raw=RAW_FORMAT,
                raw_name=RAW_NAME,
                sample_bytes=SAMPLE_BYTES,
                max_pixels=limits.max_pixels,
            ),
            readable=[films[sound.sha256].path for sound in patch.sounds],
            on_progress=lambda _progress: on_progress(_RAW_SHARE),
        )
        write_region(raw, folder, patch, SAMPLE_BYTES)
    session.run(
        [*RAW_FORMAT, "-i", RAW_NAME, *_ENCODING, SOUND_NAME],
        on_progress=_as_share(
            on_progress,
            _RAW_SHARE,
            1 - _RAW_SHARE,
            [MixSegment(0, 0, count_samples(request), False)],
        ),
    )
    raw.unlink()
    return SoundOutcome(folder / SOUND_NAME, inspect_sound(folder / SOUND_NAME, request))


def _cut_batches(request: SoundRequest) -> list[list[MixSegment]]:
    """Stretches of neighbours together: a clip is decoded anew only for the head that the clip
    before it shares, and then it is entered at the same place, so that no seam can be heard."""
    batches: dict[int, list[MixSegment]] = {}
    for one in cut_segments(request):
        batches.setdefault(one.take // CLIPS_AT_ONCE, []).append(one)
    return list(batches.values())


def _as_share(
    on_progress: Callable[[float], None], done: float, share: float, batch: Sequence[MixSegment]
) -> Callable[[FfmpegProgress], None]:
    longest_seconds = max(one.samples for one in batch) / SAMPLE_RATE_HZ

    def tell(progress: FfmpegProgress) -> None:
        on_progress(done + share * min(1.0, (progress.seconds or 0.0) / longest_seconds))

    return tell


def has_sound(films: Mapping[str, Film], request: SoundRequest) -> bool:
    """Whether anything is to be heard at all; a film without sound gets no silent track."""
    return bool(request.sounds) or any(_find_sound(films, take) for take in request.takes)


def _find_sound(films: Mapping[str, Film], take: AudioClipSpan) -> AudioStream | None:
    return None if take.sha256 == GAP else choose_audio(films[take.sha256].info)


def count_samples(request: SoundRequest) -> int:
    last = request.takes[-1].place
    return sample_at(last.first + last.frames, request.fps)


def cut_segments(request: SoundRequest) -> list[MixSegment]:
    """In order; together they are the film's sound."""
    stretches: list[MixSegment] = []
    for index, take in enumerate(request.takes):
        place = take.place
        marks = [
            sample_at(place.first + frame, request.fps)
            for frame in (0, place.shared_before, place.frames - place.shared_after, place.frames)
        ]
        if marks[2] > marks[1]:
            stretches.append(MixSegment(index, marks[1] - marks[0], marks[2] - marks[1], False))
        if marks[3] > marks[2]:
            stretches.append(MixSegment(index, marks[2] - marks[0], marks[3] - marks[2], True))
    return stretches


def plan_stretches(
    films: Mapping[str, Film], request: SoundRequest, batch: Sequence[MixSegment], max_pixels: int
) -> list[str]:
    """One command: each clip opened once, each stretch written as raw samples to its own file."""
    used = sorted({index for one in batch for index in one.takes})
    arguments: list[str] = []
    graph: list[str] = []
    position = 0
    for index in used:
        take = request.takes[index]
        sound = _find_sound(films, take)
        label = None
        shift = Fraction(0)
        if sound is not None:
            film = films[take.sha256]
            seek, shift = seek_arguments(film.info, take.start)
            arguments += [*seek, *input_arguments(str(film.path), film.info, max_pixels)]
            label = f"{position}:{sound.index}"
            position += 1
        outputs = [n for n, one in enumerate(batch) if index in one.takes]
        graph += _clip_graph(request, index, label, shift, outputs)
    outputs_arguments: list[str] = []
    for number, one in enumerate(batch):
        graph.append(_stretch_graph(request, one, number))
        outputs_arguments += ["-map", f"[out{number}]", *RAW_FORMAT, _name_part(number)]
    return [*arguments, "-filter_complex", ";".join(graph), *outputs_arguments]


def _clip_graph(
    request: SoundRequest, index: int, label: str | None, shift: Fraction, outputs: Sequence[int]
) -> list[str]:
    """The clip's sound, exactly as long as the clip, once for each stretch that it is heard in."""
    take = request.takes[index]
    samples = _clip_samples(request, take)
    if label is None:
        source = f"anullsrc=r={SAMPLE_RATE_HZ}:cl=stereo,"
    else:
        source = f"[{label}]asetpts=round(PTS-{float(shift):.6f}/TB),{RESAMPLING},"
    filters = f"aformat=sample_fmts=fltp:channel_layouts=stereo,{write_loudness(take, samples)}"
    ends = "".join(f"[clip{index}_{number}]" for number in outputs)
    return [
        f"{source}{filters}apad=whole_len={samples},atrim=end_sample={samples},"
        f"asplit={len(outputs)}{ends}"
    ]


def _clip_samples(request: SoundRequest, take: AudioClipSpan) -> int:
    place = take.place
    first, end = (
        sample_at(frame, request.fps) for frame in (place.first, place.first + place.frames)
    )
    return end - first


def _stretch_graph(request: SoundRequest, one: MixSegment, number: int) -> str:
    own = f"[clip{one.take}_{number}]{_cut(one.start, one.samples)}"
    if not one.is_shared:
        return f"{own}[out{number}]"
    gone = f"afade=t=out:ss=0:ns={one.samples}:curve={CROSSFADE_CURVE}"
    come = f"afade=t=in:ss=0:ns={one.samples}:curve={CROSSFADE_CURVE}"
    return (
        f"{own},{gone}[gone{number}];"
        f"[clip{one.take + 1}_{number}]{_cut(0, one.samples)},{come}[come{number}];"
        f"[gone{number}][come{number}]amix=inputs=2:normalize=0[out{number}]"
    )


def _cut(start: int, samples: int) -> str:
    return f"atrim=start_sample={start}:end_sample={start + samples},asetpts=N"


def _name_part(number: int) -> str:
    return f"part{number:02d}.raw"


def _append(raw: Path, folder: Path, batch: Sequence[MixSegment]) -> None:
    """Raises OutputInvalid where a stretch is not as long as planned."""
    with raw.open("ab") as whole:
        for number, one in enumerate(batch):
            part = folder / _name_part(number)
            size = part.stat().st_size if part.is_file() else 0
            if size != one.samples * SAMPLE_BYTES:
                raise OutputInvalid(
                    f"The audio of clip {one.take} has {size // SAMPLE_BYTES} samples instead of "
                    f"{one.samples}."
                )
            with part.open("rb") as samples:
                shutil.copyfileobj(samples, whole, 1024 * 1024)
            part.unlink()


def inspect_sound(path: Path, request: SoundRequest) -> dict[str, Any]:
    """Raises OutputInvalid where the encoded sound is not as long as the film."""
    try:
        with path.open("rb") as file, open_mp4(file) as container:
            facts = _read_facts(container)
    except PacketError as broken:
        raise OutputInvalid(f"{path.name} cannot be read back: {broken}") from broken
    # What an encoder puts before the first sample is hidden by the file's edit list.
    if abs(facts["samples"] - count_samples(request)) > 2048:
        raise OutputInvalid(
            f"The audio has {facts['samples']} samples instead of {count_samples(request)}."
        )
    return facts


def _read_facts(container: Any) -> dict[str, Any]:
    stream = container.streams.audio[0]
    ends = [packet.pts + packet.duration for packet in container.demux(stream) if packet.duration]
    return {
        "samples": max(ends, default=0),
        "sample_rate_hz": stream.codec_context.sample_rate,
        "channels": stream.codec_context.channels,
    }
