"""The audio of a whole timeline: exact to the sample for each clip, encoded once, unsplit.

Each clip is decoded once and split, on a sample grid that matches the frames, into what it shares
with its neighbors and what is its own. One command processes a few clips, so that memory and open
files do not grow with the video. The raw segments, each of exactly the right length, are
concatenated, music and voices are mixed in, and everything is encoded at once.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cinemill.capabilities.render.audio.audio_overlays import (
    RESAMPLING,
    OverlayRegion,
    plan_region_mix,
    split_regions,
    volume_filters,
    write_region,
)
from cinemill.capabilities.render.audio.steady_videos import open_sought, with_steady_videos
from cinemill.capabilities.render.pieces.clip_filters import StoredVideo, seek_arguments
from cinemill.capabilities.render.pieces.piece_request import GAP, AudioClipSpan, AudioRequest
from cinemill.capabilities.render.timeline.pieces import SAMPLE_RATE_HZ, sample_at
from cinemill.core.media import AudioStream
from cinemill.core.tracks.channels import STEREO
from cinemill.core.tracks.choice import choose_audio
from cinemill.core.tracks.joined import join_tracks
from cinemill.errors import OutputInvalid
from cinemill.media.ffmpeg.arguments import keep_clock
from cinemill.media.ffmpeg.channels import (
    count_inputs,
    describe_fold,
    fold_filter,
    locate_audio,
)
from cinemill.media.ffmpeg.process import FfmpegProgress
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.packets import PacketError, open_mp4

CLIPS_AT_ONCE = 12
_RAW_SHARE = 0.8
"""The share of decoding in the work; the rest is encoding."""
CHANNELS = 2
SAMPLE_BYTES = 4 * CHANNELS
BITRATE_BPS = 192_000
RAW_NAME = "sound.raw"
SOUND_NAME = "sound.m4a"
RAW_FORMAT = ("-f", "f32le", "-ar", str(SAMPLE_RATE_HZ), "-ac", str(CHANNELS))
"""Floats: samples above full scale are kept until everything is mixed."""
LIMITER = "alimiter=limit=1:level=0:latency=1"
"""Turns down what exceeds full scale for some milliseconds; all else passes unchanged."""
_ENCODING = (
    *("-af", LIMITER, "-c:a", "aac", "-b:a", str(BITRATE_BPS)),
    *("-bitexact", "-f", "mp4"),
)
CROSSFADE_CURVE = "qsin"
"""Equal power: two unrelated signals keep their loudness."""


@dataclass(frozen=True, slots=True)
class MixSegment:
    """Samples of the output in which one clip, or with ``is_shared`` also the next, is audible."""

    take: int
    start: int
    """The sample within the clip."""
    samples: int
    is_shared: bool

    @property
    def takes(self) -> tuple[int, ...]:
        return (self.take, self.take + 1) if self.is_shared else (self.take,)


@dataclass(frozen=True, slots=True)
class AudioOutcome:
    path: Path
    facts: dict[str, Any]
    """``samples``, ``sample_rate_hz``, ``channels``."""


def mix_audio(
    session: FfmpegSession, videos: Mapping[str, StoredVideo], request: AudioRequest
) -> AudioOutcome:
    """Mix and encode all audio as AAC in the folder; ``videos`` by sha256.

    Raises OutputInvalid, CommandFailed, CommandStalled, DiskFull, and whatever ``should_stop``
    returns.
    """
    folder, on_progress = session.folder, session.on_progress
    raw = folder / RAW_NAME
    raw.touch()
    batches = _cut_batches(request)
    for number, batch in enumerate(batches):
        share = _RAW_SHARE / len(batches)
        _write_segments(
            session,
            videos,
            request,
            batch,
            _as_share(on_progress, number * share, share, batch),
        )
        _append(raw, folder, batch)
    for region in split_regions(request):
        _mix_region(session, videos, request, region)
        write_region(raw, folder, region, SAMPLE_BYTES)
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
    return AudioOutcome(folder / SOUND_NAME, inspect_audio(folder / SOUND_NAME, request))


def _write_segments(
    session: FfmpegSession,
    videos: Mapping[str, StoredVideo],
    request: AudioRequest,
    batch: Sequence[MixSegment],
    on_progress: Callable[[FfmpegProgress], None],
) -> None:
    used = {request.takes[index].sha256 for one in batch for index in one.takes} - {GAP}
    needed = {sha256: videos[sha256] for sha256 in used}

    def write(steady: Mapping[str, StoredVideo]) -> None:
        session.run(
            plan_segments(steady, request, batch, session.limits.max_pixels),
            readable=[video.path for video in needed.values()],
            on_progress=on_progress,
        )

    with_steady_videos(session, needed, write)


def _mix_region(
    session: FfmpegSession,
    videos: Mapping[str, StoredVideo],
    request: AudioRequest,
    region: OverlayRegion,
) -> None:
    needed = {sound.sha256: videos[sound.sha256] for sound in region.sounds}

    def mix(steady: Mapping[str, StoredVideo]) -> None:
        session.run(
            plan_region_mix(
                steady,
                request,
                region,
                raw=RAW_FORMAT,
                raw_name=RAW_NAME,
                sample_bytes=SAMPLE_BYTES,
                max_pixels=session.limits.max_pixels,
            ),
            readable=[video.path for video in needed.values()],
            on_progress=lambda _progress: session.on_progress(_RAW_SHARE),
        )

    with_steady_videos(session, needed, mix)


def _cut_batches(request: AudioRequest) -> list[list[MixSegment]]:
    """Return neighboring segments in batches.

    A clip is decoded a second time only for the start that it shares with the clip before it, and
    from the same position, so that no seam is audible.
    """
    batches: dict[int, list[MixSegment]] = {}
    for one in cut_segments(request):
        batches.setdefault(one.take // CLIPS_AT_ONCE, []).append(one)
    return list(batches.values())


def _as_share(
    on_progress: Callable[[float], None], done: float, share: float, batch: Sequence[MixSegment]
) -> Callable[[FfmpegProgress], None]:
    longest_seconds = max(one.samples for one in batch) / SAMPLE_RATE_HZ

    def report_progress(progress: FfmpegProgress) -> None:
        on_progress(done + share * min(1.0, (progress.seconds or 0.0) / longest_seconds))

    return report_progress


def has_audio(videos: Mapping[str, StoredVideo], request: AudioRequest) -> bool:
    """Return whether anything is audible; a video without audio gets no silent track."""
    return bool(request.sounds) or any(_find_audio(videos, take) for take in request.takes)


def _find_audio(videos: Mapping[str, StoredVideo], take: AudioClipSpan) -> AudioStream | None:
    return None if take.sha256 == GAP else choose_audio(videos[take.sha256].info)


def list_folds(videos: Mapping[str, StoredVideo], request: AudioRequest) -> tuple[str, ...]:
    """Return what becomes of the channels of each source, in words, once; see ``core.tracks``."""
    clips = [take.sha256 for take in request.takes]
    used = dict.fromkeys([*clips, *(sound.sha256 for sound in request.sounds)])
    numbers = {sha256: number for number, sha256 in enumerate(used, 1) if sha256 != GAP}
    found = []
    for sha256, number in numbers.items():
        track = choose_audio(join_tracks(videos[sha256].info))
        if track is not None and (words := describe_fold(track, STEREO)):
            found.append(f"audio of source {number}: {words}")
    return tuple(found)


def count_samples(request: AudioRequest) -> int:
    last = request.takes[-1].place
    return sample_at(last.first + last.frames, request.fps)


def cut_segments(request: AudioRequest) -> list[MixSegment]:
    """Return the segments in order; together they are the audio of the output."""
    segments: list[MixSegment] = []
    for index, take in enumerate(request.takes):
        place = take.place
        marks = [
            sample_at(place.first + frame, request.fps)
            for frame in (0, place.shared_before, place.frames - place.shared_after, place.frames)
        ]
        if marks[2] > marks[1]:
            segments.append(MixSegment(index, marks[1] - marks[0], marks[2] - marks[1], False))
        if marks[3] > marks[2]:
            segments.append(MixSegment(index, marks[2] - marks[0], marks[3] - marks[2], True))
    return segments


def plan_segments(
    videos: Mapping[str, StoredVideo],
    request: AudioRequest,
    batch: Sequence[MixSegment],
    max_pixels: int,
) -> list[str]:
    """Return one command that opens each clip once and writes each segment to its own file."""
    used = sorted({index for one in batch for index in one.takes})
    arguments: list[str] = []
    graph: list[str] = []
    clocks: list[str] = []
    position = 0
    for index in used:
        take = request.takes[index]
        sound = _find_audio(videos, take)
        source = f"anullsrc=r={SAMPLE_RATE_HZ}:cl=stereo,"
        if sound is not None:
            video = videos[take.sha256]
            seek, shift = seek_arguments(video.info, take.start)
            arguments += open_sought(video, seek, max_pixels)
            place = locate_audio(video.info, sound, position)
            clock = f"asetpts=round(PTS-{float(shift):.6f}/TB)"
            source = f"[{place}]{clock},{RESAMPLING},{fold_filter(sound, STEREO)},"
            clocks += keep_clock(video.info, position)
            position += count_inputs(video.info)
        outputs = [n for n, one in enumerate(batch) if index in one.takes]
        graph += _clip_graph(request, index, source, outputs)
    outputs_arguments: list[str] = []
    for number, one in enumerate(batch):
        graph.append(_segment_graph(request, one, number))
        outputs_arguments += ["-map", f"[out{number}]", *RAW_FORMAT, _name_part(number)]
    return [*arguments, "-filter_complex", ";".join(graph), *clocks, *outputs_arguments]


def _clip_graph(
    request: AudioRequest, index: int, source: str, outputs: Sequence[int]
) -> list[str]:
    """Return filters for the clip's audio, exactly as long as the clip, once per segment."""
    take = request.takes[index]
    samples = _clip_samples(request, take)
    filters = f"aformat=sample_fmts=fltp:channel_layouts=stereo,{volume_filters(take, samples)}"
    ends = "".join(f"[clip{index}_{number}]" for number in outputs)
    return [
        f"{source}{filters}apad=whole_len={samples},atrim=end_sample={samples},"
        f"asplit={len(outputs)}{ends}"
    ]


def _clip_samples(request: AudioRequest, take: AudioClipSpan) -> int:
    place = take.place
    first, end = (
        sample_at(frame, request.fps) for frame in (place.first, place.first + place.frames)
    )
    return end - first


def _segment_graph(request: AudioRequest, one: MixSegment, number: int) -> str:
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
    """Append the segments to the raw file. Raises OutputInvalid if one has another length."""
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


def inspect_audio(path: Path, request: AudioRequest) -> dict[str, Any]:
    """Return the facts of the encoded audio. Raises OutputInvalid if its length is wrong."""
    try:
        with path.open("rb") as file, open_mp4(file) as container:
            facts = _read_facts(container)
    except PacketError as broken:
        raise OutputInvalid(f"{path.name} cannot be read back: {broken}") from broken
    # The edit list hides what the encoder puts before the first sample.
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
