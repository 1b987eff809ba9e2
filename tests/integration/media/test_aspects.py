"""Pixels that are not square: whoever says so, every output has the shape that is meant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import pytest
from tests import films
from tests.integration.media.conftest import Processor
from tests.integration.media.test_ladder import around, encode_ladder
from tests.integration.media.test_renditions import transcode

from cinemill.capabilities.previews.stills import extract_stills
from cinemill.capabilities.streaming.encode_ladder import copy_stream
from cinemill.core.media import ArtifactKind
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.frames.exact import read_frames
from cinemill.media.frames.index import read_index

SIZE = (144, 108)
STATED = (192, 108)
"""With pixels of 4:3."""
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


def make(path: Path, *codec: str, filters: str = "setsar=4/3") -> Path:
    return films.make_film(
        path, seconds=0.4, size=SIZE, has_sound=False, codec=codec, filters=filters
    )


def make_disagreeing(path: Path) -> Path:
    """Let the container state 4:3 of frames whose codec says 2:1."""
    coded = make(path.with_name(f"coded{path.suffix}"), *X264, filters="setsar=2")
    return films.remux(coded, path, "-aspect", "16:9")


def make_square(path: Path) -> Path:
    """Let the container state square pixels of frames whose codec says 2:1."""
    coded = make(path.with_name(f"coded{path.suffix}"), *X264, filters="setsar=2")
    return films.remux(coded, path, "-aspect", "4:3")


def make_cropped(path: Path) -> Path:
    """Let an MP4 or a Matroska show the middle of its frames only, of square pixels."""
    whole = make(path.with_name("whole.mp4"), *X264, filters="setsar=1")
    cropped = films.add_clean_aperture(whole, path.with_name("cropped.mp4"), 120, 100)
    return cropped if path.suffix == ".mp4" else films.remux(cropped, path)


def of(*codec: str) -> Callable[[Path], Path]:
    return lambda path: make(path, *codec)


PRORES, FFV1 = ("-c:v", "prores_ks"), ("-c:v", "ffv1", "-pix_fmt", "yuv420p")
MPEG2 = ("-c:v", "mpeg2video")
FILMS: Sequence[tuple[str, Callable[[Path], Path], tuple[int, int]]] = [
    ("prores.mov", of(*PRORES), STATED),
    ("ffv1.mkv", of(*FFV1), STATED),
    ("vp9.webm", of("-c:v", "libvpx-vp9", "-deadline", "realtime"), STATED),
    ("raw.avi", of("-c:v", "rawvideo", "-pix_fmt", "yuv420p"), STATED),
    ("wmv.asf", of("-c:v", "wmv2"), STATED),
    ("jpeg2000.mxf", of("-c:v", "jpeg2000", "-pix_fmt", "yuv422p"), STATED),
    ("mpeg2.ts", of(*MPEG2), STATED),
    ("mpeg2.mpg", of(*MPEG2), STATED),
    ("theora.ogv", of("-c:v", "libtheora"), STATED),
    ("disagreeing.mp4", make_disagreeing, STATED),
    ("disagreeing.mkv", make_disagreeing, STATED),
    ("square.mp4", make_square, SIZE),
    ("square.mkv", make_square, SIZE),
    ("aperture.mp4", make_cropped, (120, 100)),
    ("aperture.mkv", make_cropped, (120, 100)),
]


def size_of(path: Path) -> tuple[int, int]:
    """Return the size of a file's frames, whose pixels are square."""
    with av.open(str(path)) as film:
        frame = next(film.decode(video=0))
        assert film.streams.video[0].sample_aspect_ratio in (None, 0, 1)
        return frame.width, frame.height


@pytest.mark.parametrize(("name", "make_one", "shown"), FILMS, ids=[name for name, *_ in FILMS])
def test_probe_reads_the_shape_wherever_it_is_stated(
    processor: Processor,
    tmp_path: Path,
    name: str,
    make_one: Callable[[Path], Path],
    shown: tuple[int, int],
) -> None:
    video = processor.probe(make_one(tmp_path / name)).video
    assert (video.display_width, video.display_height) == shown


@pytest.mark.parametrize(
    ("name", "make_one", "shown"),
    [FILMS[0], FILMS[9], FILMS[13]],
    ids=[FILMS[place][0] for place in (0, 9, 13)],
)
def test_every_output_has_the_right_shape(
    processor: Processor,
    tmp_path: Path,
    name: str,
    make_one: Callable[[Path], Path],
    shown: tuple[int, int],
) -> None:
    film = make_one(tmp_path / name)
    processed = processor.process(film)
    for kind in (ArtifactKind.PROXY, ArtifactKind.POSTER, ArtifactKind.MODEL_FRAMES):
        assert size_of(processed.file(kind).path) == shown, kind
    tile = processed.outcome.files[-1].facts
    assert Fraction(*shown) == pytest.approx(tile["tile_width"] / tile["tile_height"], rel=0.02)
    assert size_of(transcode(processor, film, codec="h264").path) == shown
    ladder = encode_ladder(processor, film)
    assert (ladder.video_streams[0].width, ladder.video_streams[0].height) == shown
    (still,) = extract_stills(
        around(processor), film, processed.info, [Fraction(0)], height=shown[1]
    )
    assert size_of(still.path) == shown
    index = read_index(film, Limits())
    first = [int(index.pts[0])]
    wanted = read_frames(film, index, first, limits=Limits(), max_width=1000, max_pixels=10**6)
    assert next(wanted).pixels.shape[1::-1] == shown


def test_a_copied_stream_is_listed_in_its_shown_size(processor: Processor, tmp_path: Path) -> None:
    film = make_disagreeing(tmp_path / "film.mp4")
    copied = copy_stream(around(processor), film, processor.probe(film))
    assert (copied.video_streams[0].width, copied.video_streams[0].height) == STATED
