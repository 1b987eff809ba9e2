"""Durations whatever the header states, and previews of truncated videos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests import films
from tests.integration.media.conftest import Processor
from tests.integration.media.test_animated_preview import agree, read_excerpts
from tests.integration.media.test_stills import make_numbered, read_stills

from cinemill.capabilities.previews.animated_preview import spread_excerpts
from cinemill.capabilities.previews.duration import find_duration, read_duration
from cinemill.capabilities.previews.stills import spread_timestamps
from cinemill.errors import MediaRejected

SECONDS = 2
RATE = "10"


def make_recorded(path: Path, whole: Path) -> Path:
    """Create a file as browsers record it: without a duration in its header or an index."""
    return films.remux(whole, path, "-f", "matroska", "-live", "1")


def make_late(path: Path, whole: Path) -> Path:
    return films.remux(whole, path, "-output_ts_offset", "10")


@pytest.mark.parametrize(
    ("make", "shown", "begun"),
    [(make_recorded, [2, 6, 11, 15], [0, 9]), (make_late, [2, 7, 12, 17], [1, 11])],
)
def test_previews_are_spread_over_the_whole_video(
    processor: Processor,
    tmp_path: Path,
    make: Callable[[Path, Path], Path],
    shown: list[int],
    begun: list[int],
) -> None:
    whole = make_numbered(tmp_path / "whole.mkv", rate=RATE, seconds=SECONDS)
    film = make(tmp_path / "film.mkv", whole)
    length = find_duration(agree(processor), film, processor.probe(film))
    assert length == pytest.approx(SECONDS, abs=0.25)
    assert read_stills(processor, film, *spread_timestamps(length, 4)) == shown
    excerpts = read_excerpts(processor, film, *spread_excerpts(processor.probe(film), length))
    assert [excerpt[0] for excerpt in excerpts] == begun


def test_duration_is_measured_only_if_the_header_has_none(
    processor: Processor, tmp_path: Path
) -> None:
    whole = make_numbered(tmp_path / "whole.mkv", rate=RATE, seconds=SECONDS)
    assert read_duration(processor.probe(whole)) == SECONDS
    recorded = make_recorded(tmp_path / "film.mkv", whole)
    assert read_duration(processor.probe(recorded)) == 0


def test_duration_of_a_late_video_stream_is_its_display_time(
    processor: Processor, tmp_path: Path
) -> None:
    for name in ("film.mp4", "film.mkv"):
        film = films.make_late_picture(tmp_path / name)
        assert read_duration(processor.probe(film)) == pytest.approx(1.0, abs=0.05)


def test_previews_of_a_truncated_video_are_rejected(processor: Processor, tmp_path: Path) -> None:
    whole = films.make_film(tmp_path / "whole.mkv", seconds=4, size=(64, 48), extra=["-g", "10"])
    film = films.truncate(whole, tmp_path / "film.mkv", 0.6)
    moments = spread_timestamps(read_duration(processor.probe(film)), 4)
    with pytest.raises(MediaRejected) as refused:
        read_stills(processor, film, *moments)
    assert refused.value.code == "media_truncated"
    with pytest.raises(MediaRejected) as refused:
        read_excerpts(processor, film, *spread_excerpts(processor.probe(film), moments[-1]))
    assert refused.value.code == "media_truncated"
