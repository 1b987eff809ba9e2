"""Pictures with transparent parts, and animated pictures: seen through in renders, else on black.

Each source is red on its left half, and transparent over hidden green on its right half.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tests import films
from tests.integration.media.conftest import Processor
from tests.integration.media.editing import Bench, edit
from tests.integration.media.test_overlays import lay
from tests.integration.media.test_stills import read_number

from cinemill.capabilities.analysis.providers.range_material import (
    CLIP_FILENAME,
    plan_clip,
    plan_clip_picture,
)
from cinemill.capabilities.previews.stills import extract_stills
from cinemill.capabilities.render.timeline.timeline import Clip
from cinemill.core.encoding.rendition import read_rendition
from cinemill.core.media import ArtifactKind, MaterialFormat, MediaInfo, SourceFormat
from cinemill.errors import MediaRejected
from cinemill.media.encoding.encode import encode
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.frames.exact import read_frames
from cinemill.media.frames.index import read_index
from cinemill.media.probe.metadata import read_media
from cinemill.media.probe.probe import probe_material
from cinemill.media.probe.sniff import sniff_file
from cinemill.media.rejections import OVERLAY_HINT

SIZE = (64, 48)
HALVES = "geq=r='if(lt(X,32),200,30)':g='if(lt(X,32),30,200)':b=30:a='if(lt(X,32),255,0)'"
RED, BLACK, BLUE = (200, 30, 30), (0, 0, 0), (30, 30, 200)
CODECS: dict[str, list[str]] = {
    "vp9.webm": ["-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-crf", "10", "-b:v", "0"],
    "vp8.webm": ["-c:v", "libvpx", "-pix_fmt", "yuva420p", "-auto-alt-ref", "0", "-b:v", "2M"],
    "prores.mov": ["-c:v", "prores_ks", "-pix_fmt", "yuva444p10le"],
    "png.mov": ["-c:v", "png", "-pix_fmt", "rgba"],
    "qtrle.mov": ["-c:v", "qtrle", "-pix_fmt", "argb"],
    "animation.png": ["-f", "apng", "-plays", "0", "-pix_fmt", "rgba"],
    "animation.gif": ["-loop", "0"],
}


@pytest.fixture(scope="module")
def clear_films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clear")
    source = f"color=black:size=64x48:rate=10:duration=1,format=rgba,{HALVES}"
    for name, codec in CODECS.items():
        palette = ",split[a][b];[a]palettegen[p];[b][p]paletteuse" if name.endswith("gif") else ""
        films.run(["-f", "lavfi", "-i", f"{source}{palette}", *codec, str(folder / name)])
    blue = "color=0x1e1ec8:size=320x180:rate=25:duration=1,format=gbrp"
    tagged = ["-vf", "scale=out_color_matrix=bt709,format=yuv420p", "-colorspace", "bt709"]
    films.run(["-f", "lavfi", "-i", blue, *tagged, str(folder / "blue.mp4")])
    return folder


def read(path: Path) -> MediaInfo:
    return read_media(path, sniff_file(path), Limits())


def open_session(processor: Processor) -> FfmpegSession:
    return FfmpegSession(
        processor.ffmpeg_binary, processor.folder, processor.limits, processor.sandbox
    )


def colors_of(picture: Any) -> tuple[list[int], list[int]]:
    """Return the colors of the left and the right half."""
    height, width = picture.shape[:2]
    rows = slice(height // 4, 3 * height // 4)
    left, right = picture[rows, width // 8 : 3 * width // 8], picture[rows, 5 * width // 8 :]
    return [round(float(c)) for c in left.mean((0, 1))], [
        round(float(c)) for c in right[:, : width // 4].mean((0, 1))
    ]


def read_rgb(path: Path) -> Any:
    with av.open(str(path)) as film:
        return next(film.decode(video=0)).to_ndarray(format="rgb24")


def is_near(found: list[int], wanted: tuple[int, int, int], by: int = 12) -> bool:
    return bool(np.abs(np.array(found) - wanted).max() <= by)


@pytest.mark.parametrize("name", CODECS)
def test_transparency_is_told(clear_films: Path, name: str) -> None:
    info = read(clear_films / name)
    assert info.is_film
    assert info.video.has_alpha
    decoders = {"vp8.webm": "libvpx", "vp9.webm": "libvpx-vp9"}
    assert info.video.alpha_decoder == decoders.get(name, "")
    assert info.duration_seconds_from_header == pytest.approx(1, abs=0.05)


def test_transparency_is_told_of_a_copy(clear_films: Path, tmp_path: Path) -> None:
    """FFmpeg makes a tag of it, whose name is in capitals."""
    film = films.remux(clear_films / "vp9.webm", tmp_path / "copy.webm")
    assert read(film).video.alpha_decoder == "libvpx-vp9"


def test_padding_of_uncompressed_avi_is_no_transparency(tmp_path: Path) -> None:
    codec = ["-c:v", "rawvideo", "-pix_fmt", "bgra"]
    film = films.make_film(tmp_path / "raw.avi", size=SIZE, codec=codec, has_sound=False)
    assert not read(film).video.has_alpha


@pytest.mark.parametrize("name", CODECS)
def test_overlay_is_seen_through(bench: Bench, clear_films: Path, name: str) -> None:
    blue = bench.add(clear_films / "blue.mp4")
    overlay = lay(bench.add(clear_films / name), "0", "0.4", place="center", size=Fraction(1))
    timeline = replace(edit(Clip(blue, Fraction(0), Fraction(2, 5))), overlays=(overlay,))
    path, _ = bench.join(timeline, bench.render(timeline), None)
    left, right = colors_of(read_rgb(path)[:, 40:280])
    assert is_near(left, RED)
    assert is_near(right, BLUE)


@pytest.mark.parametrize("name", ["vp9.webm", "prores.mov", "animation.gif"])
def test_clip_lies_over_the_background(bench: Bench, clear_films: Path, name: str) -> None:
    clip = Clip(bench.add(clear_films / name), Fraction(0), Fraction(2, 5))
    timeline = replace(edit(clip), background="#1e1ec8")
    path, _ = bench.join(timeline, bench.render(timeline), None)
    picture = read_rgb(path)
    left, right = colors_of(picture[:, 40:280])
    assert is_near(left, RED)
    assert is_near(right, BLUE)
    assert is_near([int(c) for c in picture[90, 5]], BLUE)


@pytest.mark.parametrize("name", ["vp9.webm", "prores.mov", "qtrle.mov", "animation.gif"])
def test_pictures_and_preview_copy_are_on_black(
    processor: Processor, clear_films: Path, name: str
) -> None:
    made = processor.process(clear_films / name)
    for kind in (ArtifactKind.PROXY, ArtifactKind.POSTER):
        left, right = colors_of(read_rgb(made.file(kind).path))
        # The colors themselves are compared elsewhere.
        assert is_near(left, RED, 45)
        assert is_near(right, BLACK)


def test_rendition_says_that_it_lost_its_transparency(
    processor: Processor, clear_films: Path
) -> None:
    path = clear_films / "vp9.webm"
    session = open_session(processor)
    made = encode(session, path, read(path), read_rendition({"preset": "mobile"}))
    assert "transparent parts were put over black" in made.facts["changes"]
    assert is_near(colors_of(read_rgb(made.path))[1], BLACK)


@pytest.mark.parametrize("name", ["vp8.webm", "vp9.webm", "png.mov"])
def test_clips_for_models_are_on_black(processor: Processor, clear_films: Path, name: str) -> None:
    path = clear_films / name
    session, info = open_session(processor), processor.probe(path)
    arguments = plan_clip(
        str(path),
        info,
        (0, 400),
        picture=plan_clip_picture(info, session.binary, is_proxy=False),
        lead_seconds=0.0,
        max_pixels=session.limits.max_pixels,
    )
    session.run(arguments, readable=[path], on_progress=lambda _progress: None)
    left, right = colors_of(read_rgb(session.folder / CLIP_FILENAME))
    assert is_near(left, RED, 45)
    assert is_near(right, BLACK)


def test_ffmpeg_without_the_decoder_of_transparency_reads_the_picture(
    processor: Processor, clear_films: Path
) -> None:
    """The probe has PyAV's libraries; FFMPEG_PATH may be one that was built without libvpx."""
    less = replace(processor.ffmpeg_binary, decoders=frozenset({"vp8", "vp9"}))
    session = replace(open_session(processor), binary=less)
    path = clear_films / "vp9.webm"
    made = encode(session, path, read(path), read_rendition({"preset": "mobile"}))
    assert is_near(colors_of(read_rgb(made.path))[0], RED, 45)
    arguments = ["-c:0", "libvpx-vp9", "-i", "a.webm", "-c:v", "libvpx-vp9", "b.webm"]
    assert less.omit_missing_decoders(arguments) == arguments[2:]
    assert processor.ffmpeg_binary.omit_missing_decoders(arguments) == arguments


@pytest.mark.parametrize("name", ["vp9.webm", "png.mov", "animation.gif"])
def test_frames_for_models_are_on_black(clear_films: Path, name: str) -> None:
    path = clear_films / name
    index = read_index(path, Limits())
    assert len(index.pts) == 10
    wanted = [int(index.pts[at]) for at in (0, 4, 9)]
    frames = list(
        read_frames(path, index, wanted, limits=Limits(), max_width=64, max_pixels=64 * 48)
    )
    assert [frame.pts for frame in frames] == wanted
    for frame in frames:
        left, right = colors_of(frame.pixels)
        assert is_near(left, RED, 45)
        assert is_near(right, BLACK)


def make_numbered(path: Path, frames: int, *more: str) -> Path:
    """Create a picture whose frames tell their number by their brightness: 4 for each."""
    number = f"color=black:size=64x36:rate=10:duration={frames / 10},format=gray,geq=lum='20+4*N'"
    films.run(["-f", "lavfi", "-i", number, *more, str(path)])
    return path


@pytest.mark.parametrize("name", ["numbers.gif", "numbers.png"])
def test_stills_of_animations_show_their_times(
    processor: Processor, tmp_path: Path, name: str
) -> None:
    """Each frame may be a change of the one before, so none can be sought."""
    more = ["-f", "apng", "-plays", "0"] if name.endswith("png") else ["-loop", "0"]
    path = make_numbered(tmp_path / name, 40, *more)
    session = open_session(processor)
    moments = [Fraction(1, 20), Fraction(2), Fraction(39, 10)]
    stills = extract_stills(session, path, processor.probe(path), moments, height=36)
    assert [read_number(one.path) for one in stills] == [0, 20, 39]


@pytest.mark.parametrize(("name", "more"), [("one.gif", []), ("one.png", ["-f", "apng"])])
def test_animation_of_one_frame_is_a_picture(tmp_path: Path, name: str, more: list[str]) -> None:
    path = make_numbered(tmp_path / name, 1, *more)
    with pytest.raises(MediaRejected) as refused:
        read(path)
    assert refused.value.code == "media_still"
    if name.endswith("png"):
        assert probe_material(path, Limits()).format is MaterialFormat.PNG
        return
    with pytest.raises(MediaRejected) as refused:
        probe_material(path, Limits())
    assert (refused.value.code, refused.value.hint) == ("media_still", OVERLAY_HINT)


def test_endless_animation_is_played_once(processor: Processor, tmp_path: Path) -> None:
    path = make_numbered(tmp_path / "endless.gif", 20, "-loop", "0")
    made = processor.process(path)
    assert made.info.format is SourceFormat.GIF
    assert made.outcome.decoded_seconds == pytest.approx(2, abs=0.01)


def test_truncated_animation_is_refused(processor: Processor, clear_films: Path) -> None:
    whole = (clear_films / "animation.gif").read_bytes()
    cut = processor.folder.parent / "cut.gif"
    cut.write_bytes(whole[: len(whole) * 7 // 10])
    with pytest.raises(MediaRejected) as refused:
        processor.process(cut)
    assert refused.value.code in ("media_truncated", "media_damaged")
