"""A video's audio as raw samples, on the clock of its frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests import films
from tests.integration.media.conftest import Processor

from cinemill.core.media import ArtifactKind
from cinemill.errors import JobCancelled, MediaRejected
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.steps.source.audio_samples import extract_samples

RATE_HZ = 16_000


def extract(
    processor: Processor, film: Path, folder: Path, prepared: Path | None = None
) -> list[int]:
    folder.mkdir(exist_ok=True)
    path = extract_samples(
        FfmpegSession(
            processor.ffmpeg_binary,
            folder,
            processor.limits,
            processor.sandbox,
            should_stop=processor.should_stop,
        ),
        film,
        processor.probe(film),
        prepared=prepared,
    )
    samples: list[int] = np.fromfile(path, "<i2").tolist()
    return samples


def test_audio_samples_are_as_long_as_the_video(processor: Processor, tmp_path: Path) -> None:
    film = films.make_film(tmp_path / "film.mp4", seconds=2)
    samples = extract(processor, film, tmp_path / "out")
    assert abs(len(samples) / RATE_HZ - 2) < 0.1
    assert max(samples) > 1000


def test_first_audio_sample_is_at_the_first_frame(processor: Processor, tmp_path: Path) -> None:
    film = films.make_late_picture(tmp_path / "late.mp4")
    assert abs(len(extract(processor, film, tmp_path / "out")) / RATE_HZ - 0.5) < 0.1


def test_prepared_audio_gives_the_same_samples(processor: Processor, tmp_path: Path) -> None:
    film = films.make_film(tmp_path / "film.mp4", seconds=2)
    prepared = processor.process(film).file(ArtifactKind.AUDIO).path
    ours = extract(processor, film, tmp_path / "ours")
    theirs = extract(processor, film, tmp_path / "theirs", prepared)
    assert len(theirs) == len(ours)
    assert max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) <= 2  # rounded once more


def test_audio_samples_of_a_silent_video_are_rejected(processor: Processor, tmp_path: Path) -> None:
    film = films.make_film(tmp_path / "silent.mp4", has_sound=False)
    with pytest.raises(MediaRejected) as refused:
        extract(processor, film, tmp_path / "out")
    assert refused.value.code == "media_no_sound"


def test_audio_samples_of_a_truncated_video_are_rejected(
    processor: Processor, tmp_path: Path
) -> None:
    film = films.make_film(tmp_path / "film.mp4", seconds=4, extra=["-movflags", "+faststart"])
    content = film.read_bytes()
    film.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(MediaRejected) as refused:
        extract(processor, film, tmp_path / "out")
    assert refused.value.code in ("media_truncated", "media_damaged")


def test_audio_extraction_can_be_cancelled(processor: Processor, tmp_path: Path) -> None:
    film = films.make_film(tmp_path / "film.mp4", seconds=2)
    stopped = Processor(
        processor.ffmpeg_binary,
        processor.sandbox,
        processor.folder,
        should_stop=lambda: JobCancelled("Cancelled: enough"),
    )
    with pytest.raises(JobCancelled):
        extract(stopped, film, tmp_path / "out")
