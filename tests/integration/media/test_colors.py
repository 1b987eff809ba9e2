"""Every kind of source, in every kind of output: a viewer sees the colors of the source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from tests import films
from tests.color_outputs import NEAR, is_right, measure_source, read_table, write_table
from tests.color_patches import (
    LEFT,
    RIGHT,
    SOURCES,
    Look,
    look_at_pixels,
    look_at_video,
    make_source,
    to_yuv,
)
from tests.integration.media.conftest import Processor
from tests.integration.media.editing import Bench, edit

from cinemill.capabilities.render.timeline.timeline import (
    GAP,
    Clip,
    Overlay,
    Timeline,
    Title,
    Transition,
)
from cinemill.core.media import NO_PICTURE, ArtifactKind
from cinemill.core.output import OutputFormat
from cinemill.media.color.convert import declare, scale_to
from cinemill.media.color.source import find_color
from cinemill.media.color.spaces import JFIF, MATRICES
from cinemill.media.ffmpeg.binary import FfmpegBinary
from cinemill.media.ffmpeg.sandbox import Sandbox

Measure = Callable[[str], dict[str, Look]]
SMALL = OutputFormat(160, 90, Fraction(10))
LARGER = OutputFormat(320, 180, Fraction(10))
_AT_ONCE = 25
"""Conversions in one command."""
SHORT = Transition("fade", Fraction(1, 5))


def is_near(color: Sequence[int], wanted: Sequence[int]) -> bool:
    return max(abs(one - other) for one, other in zip(color, wanted, strict=True)) <= NEAR


@pytest.fixture(scope="module")
def measure(
    tmp_path_factory: pytest.TempPathFactory, ffmpeg_binary: FfmpegBinary, sandbox: Sandbox
) -> Measure:
    folder = tmp_path_factory.mktemp("colors")

    @cache
    def measure_once(name: str) -> dict[str, Look]:
        return measure_source(name, folder, ffmpeg_binary, sandbox)

    return measure_once


@pytest.mark.parametrize("name", SOURCES)
def test_every_output_shows_and_states_the_colors_of_its_source(
    measure: Measure, name: str
) -> None:
    looks = measure(name)
    wrong = {output for output, look in looks.items() if not is_right(output, look, name)}
    assert not wrong, looks


def test_page_tells_which_outputs_are_right(measure: Measure) -> None:
    assert read_table() == write_table({name: measure(name) for name in SOURCES})


@pytest.mark.parametrize(
    "codes",
    [
        (1, 1, 0, 0),  # RGB's, of YCbCr
        (0, 0, 3, 1),
        (9, 16, 14, 0),
        (9, 14, 10, 1),
        (22, 17, 11, 1),
        (12, 8, 13, 0),
        (255, 255, 255, 0),
    ],
)
def test_video_is_accepted_whatever_numbers_it_states_as_its_colors(
    processor: Processor, tmp_path: Path, codes: tuple[int, int, int, int]
) -> None:
    """Reserved numbers, numbers that contradict each other, and matrices that nobody converts."""
    film = films.make_film(tmp_path / "film.mp4", size=(160, 90), seconds=0.4)
    stated = films.state_colors(film, tmp_path / "stated.mp4", codes=codes, pixels="yuv422p10le")
    processed = processor.process(stated)
    assert look_at_video(processed.file(ArtifactKind.PROXY).path).is_stated


def test_ffmpeg_converts_every_combination_of_stated_colors(ffmpeg_binary: FfmpegBinary) -> None:
    blank = replace(NO_PICTURE, codec="h264", pixel_format="yuvj420p", width=160, height=90)
    sources = {
        find_color(replace(blank, color_space=matrix, color_transfer=curve, color_primaries=wide))
        for matrix in MATRICES.values()
        for curve in ("bt709", "linear", "log100", "smpte2084", "arib-std-b67")
        for wide in ("bt709", "bt2020", "film", "smpte428", "ebu3213")
    }
    chains = []
    for source in sources:
        convert = scale_to((16, 16), source, JFIF, "yuvj420p", can_tonemap=True)
        chains.append(",".join(["format=yuvj420p", declare(source), *convert]))
    if not ffmpeg_binary.can_tonemap:
        pytest.skip("this FFmpeg has no zscale")
    for first in range(0, len(chains), _AT_ONCE):
        some = chains[first : first + _AT_ONCE]
        split = f"color=s=32x32:d=0.04,split={len(some)}"
        graph = [split + "".join(f"[in{number}]" for number in range(len(some)))]
        graph += [f"[in{number}]{chain}[out{number}]" for number, chain in enumerate(some)]
        outputs = [("-map", f"[out{number}]", "-f", "null", "-") for number in range(len(some))]
        films.run(["-filter_complex", ";".join(graph), *(word for one in outputs for word in one)])


def make_flat(path: Path, *, pixels: str = "rgb24") -> Path:
    """Make a picture of one color, in this format of pixels."""
    picture = "color=0xC81E1E:s=160x90,format=gbrp,setparams=range=pc"
    convert = to_yuv("bt601", "pc", pixels) if pixels.startswith("yuvj") else f"format={pixels}"
    films.run(["-f", "lavfi", "-i", picture, "-vf", convert, "-frames:v", "1", str(path)])
    return path


def show(bench: Bench, timeline: Timeline) -> Path:
    return bench.join(timeline, bench.render(timeline), None)[0]


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("flat.png", "rgb24"),
        ("flat.png", "rgba"),
        ("flat.png", "rgb48be"),
        ("flat.png", "pal8"),
        ("flat.jpg", "yuvj420p"),
        ("flat.webp", "yuva420p"),
        ("flat.webp", "bgra"),
    ],
)
def test_pictures_over_a_render_have_their_colors(
    bench: Bench, tmp_path: Path, name: str, pixels: str
) -> None:
    clip = Clip(bench.add(make_source("BT.601", tmp_path)), Fraction(0), Fraction(1, 5))
    logo = bench.add_material(make_flat(tmp_path / name, pixels=pixels))
    overlay = Overlay(logo, Fraction(0), Fraction(1, 5), "Overlay 0", size=Fraction(1))
    look = look_at_video(show(bench, replace(edit(clip, output=SMALL), overlays=(overlay,))))
    assert is_near(look.right, LEFT)
    assert is_near(look.left, LEFT)
    assert look.is_stated


def test_clips_of_different_colors_look_alike_through_a_transition(
    bench: Bench, tmp_path: Path
) -> None:
    names = ("BT.601", "RGB, H.264", "BT.2020, 10 bits")
    clips = [
        Clip(bench.add(make_source(name, tmp_path)), Fraction(0), Fraction(2, 5)) for name in names
    ]
    path = show(bench, edit(*(replace(clip, transition=SHORT) for clip in clips), output=SMALL))
    with av.open(str(path)) as film:
        pictures = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    looks = [look_at_pixels(picture) for picture in pictures]
    assert max(look.distance for look in looks) <= NEAR


def test_gaps_backgrounds_and_titles_have_the_color_that_was_asked_for(
    bench: Bench, tmp_path: Path, ffmpeg_binary: FfmpegBinary
) -> None:
    if ffmpeg_binary.version.startswith("5."):
        pytest.skip("FFmpeg 5 draws by BT.601, whatever the video is")
    square = films.make_film(tmp_path / "square.mp4", size=(90, 90), seconds=0.2, has_sound=False)
    clip = Clip(bench.add(square), Fraction(0), Fraction(1, 5))
    gap = Clip(GAP, Fraction(0), Fraction(1, 5))
    timeline = replace(edit(clip, gap, output=LARGER), background="#c81e1e")
    title = Title("\u2588", Fraction(1, 5), Fraction(2, 5), size=Fraction(1, 2), color="#1ec81e")
    with av.open(str(show(bench, replace(timeline, titles=(title,))))) as film:
        first, *_, last = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert is_near(tuple(int(level) for level in first[90, 8]), LEFT)
    assert is_near(tuple(int(level) for level in last[2, 160]), LEFT)
    greens = np.abs(last.astype(int) - np.array(RIGHT)).max(axis=-1)
    assert (greens <= NEAR).sum() > 20
