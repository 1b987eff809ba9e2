"""Encoder forensics: how often an earlier encoding is found, and how often where there is none."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.encodings import ENCODERS, PICTURES, encode, make_source
from tools.samples import fetch

from bench.report import BenchRow
from cinemill.core.media import SourceFormat
from cinemill.core.origin.forensics import FindingCode, FindingStrength, ForensicsReport
from cinemill.media.forensics.examine import examine_file

SAMPLES = ("bikes", "expressive_face")
FIRST_BEATS = (12, 24)
FIRST_QUALITY = "28"
SECOND = ("x264 medium", "x264 without B-frames", "MPEG-4")
_READING_SECONDS = 60.0


def measure() -> list[BenchRow]:
    """Encode each source once with each encoder, and twice with pairs of them."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        sources = [*_make_sources(root)]
        once = [examine(film) for source in sources for film in _encode_once(root, source)]
        twice = [examine(film) for source in sources for film in _encode_twice(root, source)]
    false = sum(has_strong_finding(report) for report in once)
    return [
        BenchRow(
            "videos encoded once that are called encoded again",
            sum(says_encoded_again(report) for report in once) / len(once),
            0.02,
            detail=f"{len(once)} videos, {len(ENCODERS)} encoders",
        ),
        BenchRow(
            "videos encoded once with any strong finding",
            false / len(once),
            0.02,
            detail=f"{len(once)} videos",
        ),
        BenchRow(
            "videos encoded twice that are found",
            sum(says_encoded_again(report) for report in twice) / len(twice),
            None,
            detail=f"{len(twice)} videos, first with a key frame every {FIRST_BEATS} frames",
        ),
    ]


def examine(film: Path) -> ForensicsReport:
    """Return the findings of an MP4."""
    return examine_file(film, SourceFormat.MP4, stream_index=0, cpu_seconds=_READING_SECONDS)


def says_encoded_again(report: ForensicsReport) -> bool:
    return any(finding.code is FindingCode.ENCODED_AGAIN for finding in report.findings)


def has_strong_finding(report: ForensicsReport) -> bool:
    return any(finding.strength is FindingStrength.STRONG for finding in report.findings)


def _make_sources(root: Path) -> Iterator[Path]:
    for picture in PICTURES:
        yield make_source(root / f"{picture}.mkv", picture)
    for name in SAMPLES:
        yield make_source(root / f"{name}.mkv", str(fetch(name)))


def _encode_once(root: Path, source: Path) -> Iterator[Path]:
    for number, codec in enumerate(ENCODERS.values()):
        yield encode(source, root / f"{source.stem}-once-{number}.mp4", *codec)


def _encode_twice(root: Path, source: Path) -> Iterator[Path]:
    for beat in FIRST_BEATS:
        first = root / f"{source.stem}-first-{beat}.mp4"
        encode(source, first, *_first_codec(beat))
        for number, name in enumerate(SECOND):
            path = root / f"{source.stem}-twice-{beat}-{number}.mp4"
            yield encode(first, path, *ENCODERS[name])


def _first_codec(beat: int) -> tuple[str, ...]:
    codec = ("-c:v", "libx264", "-preset", "veryfast", "-crf", FIRST_QUALITY)
    return (*codec, "-g", str(beat), "-sc_threshold", "0")
