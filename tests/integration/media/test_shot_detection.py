"""Shots of real videos, whose cuts are known, and of a film that is joined from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests import films
from tests.integration.media.conftest import Processor
from tests.known_cuts import CUTS_MS, count_found
from tools.samples import fetch

from cinemill.capabilities.ingest.graph import SHOT_FRAME_SIZE as INGESTED_SIZE
from cinemill.core.media import ArtifactKind
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.frames.exact import SHOT_FRAME_SIZE, read_every_frame
from cinemill.media.frames.shots import detect_shots

LIMITS = Limits()
WIDTH, HEIGHT = SHOT_FRAME_SIZE
NIGHTLY = frozenset({"noface_face", "bigbuckbunny", "expressive_face"})
"""Real videos that take longer to decode."""


def find_cuts(path: Path) -> list[int]:
    frames = [
        (frame.time_ms, frame.pixels)
        for frame in read_every_frame(path, limits=LIMITS, width=WIDTH, height=HEIGHT)
    ]
    shots = detect_shots(frames, frames[-1][0] + 40)
    return [shot.start_ms for shot in shots[1:]]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.nightly if name in NIGHTLY else ()) for name in CUTS_MS],
)
def test_cuts_of_a_real_video_are_found_and_no_others(name: str) -> None:
    found, true = find_cuts(fetch(name)), CUTS_MS[name]
    assert len(found) == len(true)
    assert count_found(found, true) == len(true)


def make_joined(path: Path) -> tuple[Path, list[int]]:
    """Join one second each of several videos and flat colors of equal brightness.

    Return the video and when its cuts are.
    """
    parts = ["obama_speech", "no_face", "expressive_face", "single_face", "bigbuckbunny"]
    colors = ["0xC82828", "0x286C28", "0x585858"]
    inputs, chains = [], []
    for number, name in enumerate(parts):
        inputs += ["-ss", "0.6", "-i", f"file:{fetch(name)}"]
        chains.append(
            f"[{number}:v]fps=25,scale=320:180,setsar=1,trim=end_frame=25,setpts=PTS-STARTPTS"
            f",format=yuv420p[v{number}]"
        )
    for number, color in enumerate(colors, len(parts)):
        inputs += ["-f", "lavfi", "-i", f"color={color}:size=320x180:rate=25:duration=1"]
        chains.append(f"[{number}:v]setsar=1,format=yuv420p[v{number}]")
    order = [0, 5, 6, 1, 7, 2, 3, 5, 4, 6]
    labels = "".join(f"[p{place}]" for place in range(len(order)))
    for number in sorted(set(order)):
        places = [place for place, part in enumerate(order) if part == number]
        outputs = "".join(f"[p{place}]" for place in places)
        chains.append(f"[v{number}]split={len(places)}{outputs}")
    chains.append(f"{labels}concat=n={len(order)}:v=1[out]")
    codec = ["-map", "[out]", "-c:v", "libx264", "-preset", "veryfast", "-crf", "30"]
    films.run([*inputs, "-filter_complex", ";".join(chains), *codec, f"file:{path}"])
    return path, [1000 * n for n in range(1, len(order))]


def test_cuts_of_a_joined_film_with_flat_colors_are_found(tmp_path: Path) -> None:
    film, true = make_joined(tmp_path / "film.mp4")
    found = find_cuts(film)
    assert count_found(found, true) == len(true)
    assert len(found) == len(true)


def test_frames_that_ingest_stored_give_the_same_shots(
    processor: Processor, tmp_path: Path
) -> None:
    assert SHOT_FRAME_SIZE == INGESTED_SIZE
    source = fetch("bikes")
    stored = processor.process(source).file(ArtifactKind.SHOT_FRAMES).path
    assert find_cuts(stored) == find_cuts(source)
