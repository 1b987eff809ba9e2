"""Stills by seeking: the frame on screen at each time, however long ago it began."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from tests import films
from tests.integration.media.conftest import Processor

from cinemill.capabilities.previews.stills import extract_stills, spread_timestamps
from cinemill.media.ffmpeg.session import FfmpegSession


def read_stills(processor: Processor, film: Path, *moments: Fraction) -> list[int]:
    """Return the numbers of the frames that the stills show."""
    stills = extract_stills(
        FfmpegSession(
            processor.ffmpeg_binary,
            processor.folder,
            processor.limits,
            processor.sandbox,
            should_stop=processor.should_stop,
        ),
        film,
        processor.probe(film),
        moments,
        height=36,
    )
    return [read_number(still.path) for still in stills]


def read_number(path: Path) -> int:
    with av.open(str(path)) as picture:
        frame = next(picture.decode(video=0))
        return round((float(np.mean(frame.to_ndarray(format="gray"))) - 20) / 4)


def make_numbered(path: Path, *, rate: str, seconds: float, select: str = "1") -> Path:
    """Create a video whose frames state their original number by brightness: 4 for each."""
    number = f"geq=lum='(20+4*N)*219/255+16':cb=128:cr=128,select='{select}'"
    return films.make_film(
        path,
        size=(64, 36),
        rate=rate,
        seconds=seconds,
        has_sound=False,
        filters=number,
        codec=["-c:v", "mpeg4", "-q:v", "1"]
        if path.suffix == ".avi"
        else ["-c:v", "libx264", "-qp", "4", "-bf", "2", "-g", "20"],
        extra=["-fps_mode", "vfr"],
    )


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
def test_stills_of_a_slide_show_lie_between_its_slides(
    processor: Processor, tmp_path: Path, name: str
) -> None:
    film = make_numbered(tmp_path / name, rate="1/20", seconds=100)
    moments = spread_timestamps(Fraction(100), 10)
    assert read_stills(processor, film, *moments) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
def test_still_shows_a_held_frame_until_the_next(
    processor: Processor, tmp_path: Path, name: str
) -> None:
    """Nothing new between 3 and 13 s."""
    film = make_numbered(tmp_path / name, rate="2", seconds=16, select="not(between(t,3.1,12.9))")
    moments = [Fraction(moment, 4) for moment in (12, 16, 36, 51, 52, 63, 400)]
    assert read_stills(processor, film, *moments) == [6, 6, 6, 6, 26, 31, 31]


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.avi", "film.ts"])
def test_still_is_the_frame_at_its_timestamp(
    processor: Processor, tmp_path: Path, name: str
) -> None:
    film = make_numbered(tmp_path / name, rate="24", seconds=2)
    numbers = [0, 1, 13, 30, 31, 47]
    assert read_stills(processor, film, *(Fraction(number, 24) for number in numbers)) == numbers
    between = [Fraction(2 * number + 1, 48) for number in numbers]
    assert read_stills(processor, film, *between) == numbers
