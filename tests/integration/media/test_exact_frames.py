"""Frames by timestamp: each shows the number that belongs to its time, in every container."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests import films
from tests import numbered_films as numbered
from tests.numbered_films import make_numbered, read_number, variable_numbers

from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.frames.exact import read_frames
from cinemill.media.frames.index import FrameIndex, read_index

FRAMES = 75
FRAME_MS = 1000 // numbered.RATE
SAMPLED = 14
LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Case:
    """A video, how it is created, and which frames it shows."""

    name: str
    codec: Sequence[str]
    numbers: Sequence[int] = tuple(range(FRAMES))
    filters: str = "null"
    extra: Sequence[str] = ()
    make: Callable[[Path, Path], Path] | None = None
    """Creates the video from the encoded one."""
    is_seekable: bool | None = None


def trim(start_seconds: float) -> Callable[[Path, Path], Path]:
    """Cut packets inside a group of pictures: an edit list hides the first ones."""

    def make(whole: Path, path: Path) -> Path:
        films.run(["-ss", str(start_seconds), "-i", f"file:{whole}", "-c", "copy", f"file:{path}"])
        return path

    return make


def join_edits(whole: Path, path: Path) -> Path:
    """Delay the video by an empty edit."""
    films.run(["-itsoffset", "1.5", "-i", f"file:{whole}", "-c", "copy", f"file:{path}"])
    return path


def hold_last(seconds: float) -> tuple[str, ...]:
    """Show the last frame so long."""
    is_last = f"gte(PTS*TB\\,{(FRAMES - 1.5) / numbered.RATE})"
    return (
        "-bsf:v",
        f"setts=pts=PTS:dts=DTS:duration=if({is_last}\\,{seconds}/TB\\,DURATION)",
    )


VFR = {"filters": numbered.VARIABLE, "numbers": tuple(variable_numbers(FRAMES))}
OFFSET = ("-output_ts_offset", "10")
CASES = [
    *(
        Case(f"{kind}.{container}", codec, is_seekable=container in ("mp4", "mov", "mkv"))
        for container in ("mp4", "mov", "mkv", "ts", "avi", "flv")
        for kind, codec in (("cfr", numbered.H264), ("b-frames", numbered.H264_B))
    ),
    *(
        Case(f"open-gop.{container}", numbered.H264_OPEN)
        for container in ("mp4", "mov", "mkv", "ts", "avi", "flv")
    ),
    *(Case(f"hevc.{container}", numbered.HEVC) for container in ("mp4", "mov", "mkv", "ts")),
    *(Case(f"hevc-open.{container}", numbered.HEVC_OPEN) for container in ("mp4", "mkv", "ts")),
    *(
        Case(f"vfr.{container}", numbered.H264_B, **VFR)  # type: ignore[arg-type]
        for container in ("mp4", "mov", "mkv", "ts", "flv")
    ),
    Case("vfr.webm", numbered.VP9, **VFR),  # type: ignore[arg-type]
    Case("vfr.wmv", numbered.WMV2, **VFR),  # type: ignore[arg-type]
    *(Case(f"offset.{c}", numbered.H264_B, extra=OFFSET) for c in ("ts", "mkv", "mp4", "flv")),
    Case("edit-list.mp4", numbered.H264_B, range(30, FRAMES), make=trim(1.2), is_seekable=False),
    Case("edit-list.mov", numbered.H264, range(31, FRAMES), make=trim(1.24), is_seekable=False),
    Case("short-edit.mp4", numbered.H264_B, range(7, FRAMES), make=trim(0.28)),
    Case("empty-edit.mp4", numbered.H264_B, make=join_edits),
    Case("long-last.mp4", numbered.H264_B, extra=hold_last(3)),
    Case("long-last.mov", numbered.H264, extra=hold_last(3)),
    Case("long-last.mkv", numbered.H264_B, extra=hold_last(3)),
    Case("decoding-times.mkv", numbered.H264_B, extra=("-bsf:v", "setts=ts=DTS")),
    Case("fragments.mp4", numbered.H264_B, extra=("-movflags", "frag_keyframe+empty_moov")),
    Case("refresh.mp4", numbered.H264_REFRESH),
    Case("mpeg4.avi", numbered.MPEG4),
    Case("mpeg4-b.avi", numbered.MPEG4_B),
    Case("mpeg4-b.mp4", numbered.MPEG4_B),
    Case("mjpeg.avi", numbered.MJPEG),
    Case("mpeg2.ts", numbered.MPEG2_B),
    Case("mpeg2.mpg", numbered.MPEG2_B),
    Case("vp8.webm", numbered.VP8),
    Case("vp9.webm", numbered.VP9),
    Case("av1.webm", numbered.AV1),
    Case("flv1.flv", numbered.FLV1),
    Case("wmv2.wmv", numbered.WMV2),
]

DAILY = frozenset(
    {
        *("b-frames.mp4", "open-gop.mp4", "vfr.mp4", "edit-list.mp4", "short-edit.mp4"),
        *("hevc-open.mp4", "cfr.mov", "edit-list.mov", "long-last.mov"),
        *("b-frames.mkv", "open-gop.mkv", "vfr.mkv", "decoding-times.mkv", "vp9.webm"),
        *("b-frames.ts", "offset.ts", "hevc.ts", "b-frames.avi", "mpeg4-b.avi"),
        *("open-gop.flv", "flv1.flv", "vfr.wmv", "wmv2.wmv", "mpeg2.mpg"),
    }
)
"""Each container and each oddity once; the nightly run has time for all combinations."""


def list_cases() -> list[Any]:
    """Return the cases, those of the nightly run marked."""
    return [
        pytest.param(case, id=case.name, marks=() if case.name in DAILY else pytest.mark.nightly)
        for case in CASES
    ]


def create(case: Case, folder: Path) -> Path:
    path = folder / case.name
    encoded = path if case.make is None else folder / f"whole-{case.name}"
    make_numbered(encoded, case.codec, frames=FRAMES, filters=case.filters, extra=case.extra)
    return path if case.make is None else case.make(encoded, path)


def read_numbers(path: Path, index: FrameIndex, positions: Sequence[int]) -> list[int]:
    """Return the numbers shown by the frames at these positions of the index."""
    pts = [int(index.pts[position]) for position in positions]
    frames = list(read_frames(path, index, pts, limits=LIMITS, max_width=4096, max_pixels=10**7))
    assert [frame.pts for frame in frames] == pts
    assert [frame.time_ms for frame in frames] == [index.time_ms(time) for time in pts]
    return [read_number(frame.pixels) for frame in frames]


@pytest.mark.parametrize("case", list_cases())
def test_frame_by_timestamp_shows_the_number_of_its_time(case: Case, tmp_path: Path) -> None:
    path, numbers = create(case, tmp_path), list(case.numbers)
    index = read_index(path, LIMITS)
    expected_ms = [(number - numbers[0]) * FRAME_MS for number in numbers]
    assert len(index) == len(numbers)
    assert max(abs(index.times_ms - expected_ms)) <= 1
    if case.is_seekable is not None:
        assert index.is_seekable == case.is_seekable
    picks = random.Random(case.name).sample(range(1, len(numbers) - 1), SAMPLED)
    positions = sorted({0, *picks, len(numbers) - 1})
    assert read_numbers(path, index, positions) == [numbers[place] for place in positions]
    assert not index.is_cut_off


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_frames_that_seeking_does_not_lead_to_keep_their_place(tmp_path: Path, suffix: str) -> None:
    """Its key frames are none: the image is refreshed in stripes, so decoding takes a while."""
    codec = ("-c:v", "libx264", "-preset", "ultrafast", "-x264-params", "intra-refresh=1:keyint=25")
    film = films.make_film(tmp_path / f"film{suffix}", seconds=6, has_sound=False, codec=codec)
    index = read_index(film, Limits())
    assert index.is_seekable
    pts = [int(time) for time in index.pts[80:]]
    frames = read_frames(film, index, pts, limits=Limits(), max_width=100, max_pixels=10**6)
    assert [frame.pts for frame in frames] == pts


def test_bits_of_a_pixel_are_those_of_the_video_alone(tmp_path: Path) -> None:
    plain = make_numbered(tmp_path / "plain.mp4", numbered.H264_B, frames=FRAMES)
    heavy = tmp_path / "heavy.mkv"
    noise = f"anoisesrc=duration={FRAMES / numbered.RATE}:amplitude=1:sample_rate=96000"
    films.run(
        [
            *("-i", f"file:{plain}", "-f", "lavfi", "-i", noise, "-map", "0:v", "-map", "1:a"),
            *("-c:v", "copy", "-c:a", "pcm_s24le", "-ac", "2", "-attach", str(plain)),
            *("-metadata:s:t", "mimetype=application/octet-stream", f"file:{heavy}"),
        ]
    )
    assert heavy.stat().st_size > 4 * plain.stat().st_size
    alone, with_sound = (read_index(path, LIMITS) for path in (plain, heavy))
    assert 0 < alone.packet_bytes < plain.stat().st_size
    assert with_sound.packet_bytes == pytest.approx(alone.packet_bytes, rel=0.01)
    assert alone.bits_per_pixel(*numbered.SIZE) == pytest.approx(
        8 * alone.packet_bytes / (FRAMES * numbered.SIZE[0] * numbered.SIZE[1])
    )
    assert alone.bits_per_pixel(0, 0) is None
