"""Animated previews of consecutive excerpts, and contact sheets of stills."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from tests import films
from tests.integration.media.conftest import Processor
from tests.integration.media.test_stills import make_numbered

from cinemill.capabilities.previews.animated_preview import (
    ANIMATION_NAME,
    EXCERPT_FRAMES,
    render_animated_preview,
    spread_excerpts,
)
from cinemill.capabilities.previews.contact_sheet import SHEET_NAME, render_contact_sheet
from cinemill.capabilities.previews.stills import extract_stills
from cinemill.media.ffmpeg.session import FfmpegSession


def agree(processor: Processor) -> FfmpegSession:
    return FfmpegSession(
        processor.ffmpeg_binary,
        processor.folder,
        processor.limits,
        processor.sandbox,
        lambda _share: None,
        processor.should_stop,
    )


def read_excerpts(processor: Processor, film: Path, *moments: Fraction) -> list[list[int]]:
    """Return the numbers of the video's frames in each excerpt."""
    facts = render_animated_preview(agree(processor), film, processor.probe(film), moments)
    with av.open(str(processor.folder / ANIMATION_NAME)) as made:
        shown = [
            round((float(np.mean(frame.to_ndarray(format="gray"))) - 20) / 4)
            for frame in made.decode(video=0)
        ]
    assert (facts["frames"], facts["has_sound"], facts["fps"]) == (len(shown), False, 10.0)
    return [shown[at : at + EXCERPT_FRAMES] for at in range(0, len(shown), EXCERPT_FRAMES)]


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.avi", "film.ts"])
def test_animated_preview_excerpts_show_consecutive_frames_from_their_timestamps(
    processor: Processor, tmp_path: Path, name: str
) -> None:
    film = make_numbered(tmp_path / name, rate="20", seconds=3)
    excerpts = read_excerpts(processor, film, Fraction(0), Fraction(1), Fraction(2))
    assert excerpts == [list(range(first, first + 16, 2)) for first in (0, 20, 40)]


def test_animated_preview_holds_a_slide_through_its_excerpt(
    processor: Processor, tmp_path: Path
) -> None:
    film = make_numbered(tmp_path / "slides.mp4", rate="1/20", seconds=60)
    assert read_excerpts(processor, film, Fraction(5), Fraction(119, 2)) == [[0] * 8, [2] * 8]


def test_animated_preview_of_a_very_short_video_holds_its_last_frame(
    processor: Processor, tmp_path: Path
) -> None:
    film = make_numbered(tmp_path / "short.mp4", rate="10", seconds=0.4)
    moments = spread_excerpts(processor.probe(film), Fraction(2, 5))
    assert read_excerpts(processor, film, *moments) == [[0, 1, 2, 3, 3, 3, 3, 3]]


def test_animated_preview_excerpts_are_few_and_do_not_overlap(
    processor: Processor, tmp_path: Path
) -> None:
    """There are fewer if frames are so large that their decoders would fill the memory."""
    info = processor.probe(make_numbered(tmp_path / "short.mp4", rate="10", seconds=0.4))
    assert len(spread_excerpts(info, Fraction(4))) == 5
    assert len(spread_excerpts(info, Fraction(7200))) == 8
    large = replace(info, video=replace(info.video, width=7680, height=4320))
    assert len(spread_excerpts(large, Fraction(7200))) == 2


def test_contact_sheet_shows_every_still_with_its_time(
    processor: Processor, tmp_path: Path
) -> None:
    film = films.make_film(
        tmp_path / "grey.mp4", size=(320, 180), rate="10", seconds=2, filters="lutyuv=128:128:128"
    )
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
        [Fraction(0), Fraction(1), Fraction(3, 2)],
        height=180,
    )
    layout = render_contact_sheet(agree(processor), stills, 2)
    with av.open(str(processor.folder / SHEET_NAME)) as sheet:
        picture = next(sheet.decode(video=0)).to_ndarray(format="gray").astype(int)
    assert picture.shape == (layout.size[1], layout.size[0]) == (364, 644)
    tiles = [picture[:180, :320], picture[:180, 324:], picture[184:, :320], picture[184:, 324:]]
    labelled = [int((np.abs(tile - tile[5, 5]) > 60).sum()) for tile in tiles]
    assert all(pixels > 100 for pixels in labelled[:3])
    assert labelled[3] == 0  # no fourth still
    corners = [tile[140:, 230:] for tile in tiles[:3]]
    assert all((a != b).any() for a, b in pairwise(corners))
