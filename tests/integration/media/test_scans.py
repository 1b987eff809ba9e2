"""Videos that are interlaced in parts: found wherever these are, and combed nowhere afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from tests import films
from tests.integration.media.conftest import Processor
from tests.integration.media.test_ladder import encode_ladder
from tests.integration.media.test_renditions import frame_seconds, transcode

from cinemill.core.media import ArtifactKind, MediaInfo, Scan

COMBED_LEVELS = 4.0
"""The source's columns are straight, so that neighboring rows differ in combed frames only."""
LATE = ("progressive", "tff", "tff")
PARTS = {
    "late.ts": LATE,
    "late.mpg": LATE,
    "late.mp4": LATE,
    "early.mkv": ("bff", "progressive"),
    "turning.ts": ("progressive", "bff", "tff"),
}


def measure_combs(path: Path, *, axis: int = 0) -> Iterator[float]:
    """Yield by how much neighboring rows of each frame differ, in levels; or columns (1)."""
    with av.open(str(path)) as film:
        for frame in film.decode(video=0):
            rows = frame.to_ndarray(format="gray").astype(np.int16)
            yield float(np.abs(np.diff(rows, axis=axis)).mean())


def is_smooth(path: Path, *, axis: int = 0) -> bool:
    return max(measure_combs(path, axis=axis)) < COMBED_LEVELS


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a second of progressive frames and two of interlaced ones, in MPEG-2."""
    return films.make_scans(tmp_path_factory.mktemp("films") / "late.ts", *LATE)


def describe(info: MediaInfo) -> tuple[str, bool]:
    return info.video.scan, info.video.is_interlaced


@pytest.mark.parametrize("name", PARTS)
def test_probe_finds_interlaced_frames_wherever_they_are(
    processor: Processor, tmp_path: Path, name: str
) -> None:
    film = films.make_scans(tmp_path / name, *PARTS[name])
    assert describe(processor.probe(film)) == (Scan.MIXED, True)


def test_probe_tells_videos_of_one_kind(processor: Processor, tmp_path: Path) -> None:
    for scans, kind in ((["tff"], Scan.INTERLACED), (["progressive"], Scan.PROGRESSIVE)):
        info = processor.probe(films.make_scans(tmp_path / "film.ts", *scans))
        assert describe(info) == (kind, kind is Scan.INTERLACED)


def test_ingest_leaves_no_combed_frame(processor: Processor, late: Path) -> None:
    assert not is_smooth(late)
    processed = processor.process(late)
    for kind in (ArtifactKind.PROXY, ArtifactKind.MODEL_FRAMES):
        assert is_smooth(processed.file(kind).path), kind


def test_renditions_are_deinterlaced_at_their_own_times(processor: Processor, late: Path) -> None:
    outcome = transcode(processor, late)
    assert "some frames of the video were deinterlaced" in outcome.facts["changes"]
    assert is_smooth(outcome.path)
    assert frame_seconds(outcome.path) == pytest.approx(frame_seconds(late), abs=0.001)


def test_ladders_are_deinterlaced(processor: Processor, late: Path) -> None:
    outcome = encode_ladder(processor, late)
    assert outcome.frames == 75
    assert is_smooth(processor.folder / outcome.video_streams[0].filename)


def test_ingest_goes_on_where_size_and_fields_change(processor: Processor, tmp_path: Path) -> None:
    scans = ("progressive", "tff")
    film = films.make_scans(tmp_path / "film.ts", *scans, last_size=(320, 192))
    processed = processor.process(film)
    assert processed.info.video.scan == Scan.MIXED
    # FFmpeg's decoder loses the frame that it holds back when the size changes.
    assert processed.outcome.decoded_frames in (49, 50)
    assert is_smooth(processed.file(ArtifactKind.PROXY).path)


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_rows_of_turned_videos_are_deinterlaced(
    processor: Processor, tmp_path: Path, turned: int
) -> None:
    woven = films.make_scans(tmp_path / "woven.mp4", "tff")
    film = tmp_path / "film.mp4"
    films.run(["-display_rotation", str(turned), "-i", f"file:{woven}", "-c", "copy", str(film)])
    processed = processor.process(film)
    assert processed.info.video.rotation_degrees == 360 - turned
    axis = 0 if turned == 180 else 1
    assert is_smooth(processed.file(ArtifactKind.PROXY).path, axis=axis)
    assert is_smooth(transcode(processor, film).path, axis=axis)
