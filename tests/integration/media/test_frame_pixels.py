"""What frames look like: upright, square pixels, right colors, compared with FFmpeg's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests import films

from cinemill.media.ffmpeg.binary import FfmpegBinary
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.frames.exact import read_every_frame, read_frames
from cinemill.media.frames.index import read_index

LIMITS = Limits()
Pixels = NDArray[np.uint8]


def first_frame(path: Path, *, max_width: int = 4096) -> Pixels:
    index = read_index(path, LIMITS)
    pts = [int(index.pts[0])]
    frames = read_frames(path, index, pts, limits=LIMITS, max_width=max_width, max_pixels=10**7)
    return next(iter(frames)).pixels


def shown_by_ffmpeg(path: Path, size: tuple[int, int], filters: Sequence[str] = ()) -> Pixels:
    raw = path.with_suffix(".raw")
    chain = ",".join(
        [
            *filters,
            f"scale={size[0]}:{size[1]}:flags=area+accurate_rnd+full_chroma_int+full_chroma_inp",
        ]
    )
    films.run(
        [
            *("-i", f"file:{path}", "-frames:v", "1", "-vf", chain),
            *("-pix_fmt", "rgb24", "-f", "rawvideo", f"file:{raw}"),
        ]
    )
    return np.fromfile(raw, dtype=np.uint8).reshape(size[1], size[0], 3)


def mean_difference(left: Pixels, right: Pixels) -> float:
    assert left.shape == right.shape
    return float(np.abs(left.astype(int) - right).mean())


@pytest.mark.parametrize("counterclockwise", [90, 180, 270])
def test_rotated_video_is_upright(tmp_path: Path, counterclockwise: int) -> None:
    film = films.make_rotated(tmp_path / "film.mp4", counterclockwise=counterclockwise)
    size = (320, 180) if counterclockwise == 180 else (180, 320)
    assert mean_difference(first_frame(film), shown_by_ffmpeg(film, size)) < 4


@pytest.mark.parametrize("filters", ["setsar=2/1", "setsar=8/9"])
def test_pixels_are_square(tmp_path: Path, filters: str) -> None:
    film = films.make_film(tmp_path / "film.mp4", filters=filters)
    width = 640 if filters == "setsar=2/1" else 284
    assert mean_difference(first_frame(film), shown_by_ffmpeg(film, (width, 180))) < 3


@pytest.mark.parametrize("size", [(321, 181), (2, 2), (1366, 768)])
def test_odd_sizes_are_kept(tmp_path: Path, size: tuple[int, int]) -> None:
    codec = ["-c:v", "ffv1", "-pix_fmt", "yuv444p"]
    scale = f"scale={size[0]}:{size[1]},setsar=1"
    film = films.make_film(tmp_path / "film.mkv", filters=scale, codec=codec, seconds=0.2)
    assert first_frame(film).shape == (size[1], size[0], 3)


def test_large_frames_are_scaled_to_the_width_asked_for(tmp_path: Path) -> None:
    film = films.make_film(
        tmp_path / "film.mp4",
        size=(1280, 720),
        seconds=0.2,
        filters="scale=out_color_matrix=bt709",
        extra=["-colorspace", "bt709"],
    )
    small = first_frame(film, max_width=320)
    assert small.shape == (180, 320, 3)
    assert mean_difference(small, shown_by_ffmpeg(film, (320, 180))) < 2


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", "unspecified"])
def test_colors_follow_the_matrix_of_the_stream(tmp_path: Path, matrix: str) -> None:
    tags = [] if matrix == "unspecified" else ["-colorspace", matrix]
    convert = "null" if matrix == "unspecified" else f"scale=out_color_matrix={matrix}"
    film = films.make_film(
        tmp_path / "film.mp4", picture="smptehdbars", filters=convert, extra=tags, seconds=0.2
    )
    assert mean_difference(first_frame(film), shown_by_ffmpeg(film, (320, 180))) < 2


def test_full_range_is_not_stretched(tmp_path: Path) -> None:
    film = films.make_film(
        tmp_path / "film.mp4",
        picture="smptehdbars",
        filters="scale=out_range=pc,format=yuvj420p",
        codec=["-c:v", "libx264", "-preset", "ultrafast"],
        seconds=0.2,
    )
    assert mean_difference(first_frame(film), shown_by_ffmpeg(film, (320, 180))) < 2


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_hdr_is_shown_about_as_in_the_proxy(
    tmp_path: Path, ffmpeg_binary: FfmpegBinary, transfer: str
) -> None:
    film = films.make_hdr(tmp_path / "film.mp4", transfer=transfer)
    shown = first_frame(film)
    assert shown.shape == (180, 320, 3)
    if ffmpeg_binary.can_tonemap:
        chain = [
            "format=yuv444p10le",
            f"zscale=tin={transfer}:pin=bt2020:min=bt2020nc:rin=tv:t=linear:npl=100",
            *("format=gbrpf32le", "zscale=p=bt709", "tonemap=hable:desat=0"),
            *("zscale=t=bt709:m=bt709:r=tv", "format=yuv444p"),
        ]
        assert mean_difference(shown, shown_by_ffmpeg(film, (320, 180), chain)) < 12


def test_interlaced_frame_shows_one_field(tmp_path: Path) -> None:
    film = films.make_interlaced(tmp_path / "film.mp4")
    shown = first_frame(film).astype(int)
    both = shown_by_ffmpeg(film, (shown.shape[1], shown.shape[0])).astype(int)

    def combing(image: Any) -> float:
        return float(np.abs(image[1:-1] * 2 - image[:-2] - image[2:]).mean())

    assert combing(shown) < 0.8 * combing(both)


def test_every_frame_is_read_at_one_size_and_a_lower_rate(tmp_path: Path) -> None:
    film = films.make_rotated(tmp_path / "film.mp4")
    frames = list(read_every_frame(film, limits=LIMITS, width=48, height=27))
    assert [frame.time_ms for frame in frames] == [40 * n for n in range(25)]
    assert {frame.pixels.shape for frame in frames} == {(27, 48, 3)}


def test_frame_size_that_changes_is_followed(tmp_path: Path) -> None:
    film = films.make_size_change(tmp_path / "film.ts")
    frames = list(read_every_frame(film, limits=LIMITS, width=48, height=27))
    assert len(frames) == 50
