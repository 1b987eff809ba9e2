"""Videos whose last frame is shown for long, or is the only one: whole, and as long as it says."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import pytest
from tests import films
from tests.integration.media.conftest import Processor
from tests.integration.media.editing import Bench, edit, read_brightness
from tests.integration.media.test_animated_preview import agree
from tests.integration.media.test_ladder import encode_ladder
from tests.integration.media.test_renditions import transcode

from cinemill.capabilities.previews.animated_preview import (
    EXCERPT_FRAMES,
    render_animated_preview,
    spread_excerpts,
)
from cinemill.capabilities.previews.duration import find_duration
from cinemill.capabilities.previews.stills import extract_stills, spread_timestamps
from cinemill.capabilities.render.pieces.render_piece import check_coverage
from cinemill.capabilities.render.timeline.timeline import Clip
from cinemill.capabilities.streaming.encode_plan import choose_rate
from cinemill.core.media import ArtifactKind
from cinemill.errors import MediaRejected
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.frames.exact import read_every_frame
from cinemill.media.frames.index import read_index

SMALL = (64, 48)
HELD_SECONDS = 2.0
LAST_SECONDS = 2.5
"""When the last frame of ``make_gap`` begins."""
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")


def make_single(path: Path) -> Path:
    codec = VP9 if path.suffix == ".webm" else X264
    only = ["-frames:v", "1"]
    return films.make_film(path, size=SMALL, has_sound=False, codec=codec, extra=only)


def make_still(path: Path) -> Path:
    """Create a video of one frame that is shown for three seconds."""
    return films.make_film(path, size=SMALL, rate="1/3", seconds=3, has_sound=False, codec=X264)


def make_held(path: Path) -> Path:
    """Hold a last frame that is stored before others: an MP4's track alone states its end."""
    gap = films.make_gap(path.with_name("gap.mp4"))
    return films.hold_last_frame(gap, path, last_seconds=LAST_SECONDS, seconds=HELD_SECONDS)


def make_held_by_track(path: Path) -> Path:
    """Hold a last frame of a Matroska whose track alone states its end."""
    return films.forget_lengths(make_held(path))


def make_held_webm(path: Path) -> Path:
    gap = films.make_gap(path.with_name("gap.webm"), codec=VP9)
    return films.hold_last_frame(gap, path, last_seconds=LAST_SECONDS, seconds=HELD_SECONDS)


def make_short_picture(path: Path) -> Path:
    """Create half a second of frames under two seconds of sound."""
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=2"]
    picture = ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=0.5"]
    films.run([*picture, *tone, *X264, "-c:a", "aac", f"file:{path}"])
    return path


def make_animation(path: Path) -> Path:
    """Create a second of a GIF whose last frame is shown for three more."""
    held = ["-final_delay", "300"]
    return films.make_film(path, size=SMALL, rate="10", has_sound=False, codec=(), extra=held)


def make_gap_in_avi(path: Path) -> Path:
    return films.make_gap(path, codec=("-c:v", "mpeg4"))


def make_gap_in_flv(path: Path) -> Path:
    return films.make_gap(path, codec=("-c:v", "flv"))


def stated_seconds(path: Path) -> float:
    """Return how long a file says that its video lasts, which is where players stop."""
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        return float((stream.duration or 0) * (stream.time_base or 0))


Make = Callable[[Path], Path]
FILMS: Mapping[str, tuple[Make, str, float]] = {
    "a gap before the last frame": (films.make_gap, "film.mp4", LAST_SECONDS + 1 / 30),
    "a gap in a transport stream": (films.make_gap, "film.ts", LAST_SECONDS + 1 / 30),
    "a gap in a Matroska": (films.make_gap, "film.mkv", LAST_SECONDS + 1 / 30),
    "a gap in an AVI": (make_gap_in_avi, "film.avi", LAST_SECONDS + 1 / 30),
    "a gap in an FLV": (make_gap_in_flv, "film.flv", LAST_SECONDS + 1 / 30),
    "a held frame of a GIF": (make_animation, "film.gif", 3.9),
    "a held frame of an MP4": (make_held, "film.mp4", LAST_SECONDS + HELD_SECONDS),
    "a held frame of a Matroska": (make_held, "film.mkv", LAST_SECONDS + HELD_SECONDS),
    "a held frame of a WebM": (make_held_webm, "film.webm", LAST_SECONDS + HELD_SECONDS),
    "a frame that a track holds": (make_held_by_track, "film.mkv", LAST_SECONDS + HELD_SECONDS),
    "one frame": (make_single, "film.mp4", 1 / 25),
    "one frame of a WebM": (make_single, "film.webm", 1 / 25),
    "one frame of an AVI": (make_single, "film.avi", 1 / 25),
    "one frame of a transport stream": (make_single, "film.ts", 1 / 25),
    "a still": (make_still, "film.mp4", 3.0),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the films by their names, each made once."""
    folder = tmp_path_factory.mktemp("films")

    def find(name: str) -> Path:
        make, filename, _ = FILMS[name]
        path = folder / name.replace(" ", "-") / filename
        if not path.exists():
            path.parent.mkdir()
            make(path)
        return path

    return find


@pytest.mark.parametrize("name", FILMS)
def test_ingest_lasts_until_the_last_frame_ends(
    processor: Processor, made: Callable[[str], Path], name: str
) -> None:
    seconds = FILMS[name][2]
    processed = processor.process(made(name))
    assert processed.info.picture_seconds == pytest.approx(seconds, abs=0.03)
    assert processed.outcome.decoded_seconds == pytest.approx(seconds, abs=0.03)
    proxy = processed.facts(ArtifactKind.PROXY)
    assert proxy["duration_seconds"] == pytest.approx(seconds, abs=0.11)


@pytest.mark.parametrize("codec", ["h264", "h265", "av1"])
def test_renditions_keep_the_end_of_a_held_frame(
    processor: Processor, made: Callable[[str], Path], codec: str
) -> None:
    outcome = transcode(processor, made("a held frame of an MP4"), codec=codec)
    seconds = LAST_SECONDS + HELD_SECONDS
    assert outcome.facts["duration_seconds"] == pytest.approx(seconds, abs=0.02)
    assert outcome.facts["frames"] == 31
    assert processor.probe(outcome.path).picture_seconds == pytest.approx(seconds, abs=0.02)


@pytest.mark.parametrize("name", [name for name in FILMS if "of an MP4" not in name])
def test_renditions_last_until_the_last_frame_ends(
    processor: Processor, made: Callable[[str], Path], name: str
) -> None:
    outcome = transcode(processor, made(name))
    assert outcome.facts["duration_seconds"] == pytest.approx(FILMS[name][2], abs=0.02)
    assert stated_seconds(outcome.path) == pytest.approx(FILMS[name][2], abs=0.02)


@pytest.mark.parametrize(
    ("name", "frames"),
    [
        ("a held frame of an MP4", 10 * (LAST_SECONDS + HELD_SECONDS)),
        ("one frame", 1),
        ("one frame of a WebM", 1),
        ("one frame of a transport stream", 1),
        ("a still", 30),
    ],
)
def test_renditions_at_another_rate_hold_the_last_frame(
    processor: Processor, made: Callable[[str], Path], name: str, frames: float
) -> None:
    outcome = transcode(processor, made(name), fps=10)
    assert outcome.facts["frames"] == frames


def test_rendition_of_less_than_a_frame_has_one(processor: Processor, tmp_path: Path) -> None:
    film = films.make_film(
        tmp_path / "film.mp4", size=SMALL, rate="240", seconds=1 / 30, has_sound=False
    )
    assert transcode(processor, film, fps=10).facts["frames"] == 1


@pytest.mark.parametrize(
    "name", ["one frame", "a still", "a held frame of an MP4", "a held frame of a GIF"]
)
def test_ladders_last_until_the_last_frame_ends(
    processor: Processor, made: Callable[[str], Path], name: str
) -> None:
    outcome = encode_ladder(processor, made(name))
    assert outcome.video_streams[0].seconds == pytest.approx(FILMS[name][2], abs=0.05)


def test_ladders_keep_the_rate_before_a_held_frame(processor: Processor, tmp_path: Path) -> None:
    moving = films.make_film(tmp_path / "moving.mp4", size=SMALL, seconds=1, has_sound=False)
    film = films.hold_last_frame(moving, tmp_path / "film.mp4", last_seconds=0.96, seconds=2)
    info = processor.probe(film)
    assert info.video.is_variable_rate
    assert choose_rate(info)[0] == 25


@pytest.mark.parametrize("name", FILMS)
def test_frames_are_indexed_until_the_last_one_ends(made: Callable[[str], Path], name: str) -> None:
    index = read_index(made(name), Limits())
    assert not index.is_cut_off
    assert index.end_ms == pytest.approx(FILMS[name][2] * 1000, abs=2)


@pytest.mark.parametrize("name", FILMS)
def test_shots_are_found_in_films_and_in_what_ingest_stores_of_them(
    processor: Processor, made: Callable[[str], Path], name: str
) -> None:
    stored = processor.process(made(name)).file(ArtifactKind.SHOT_FRAMES).path
    read = partial(read_every_frame, limits=Limits(), width=48, height=27)
    index = read_index(made(name), Limits())
    assert len(list(read(made(name)))) == len(list(read(stored))) == len(index)


def test_shots_are_found_in_stored_frames_whose_lengths_are_not_stated(
    processor: Processor, made: Callable[[str], Path]
) -> None:
    processed = processor.process(made("a held frame of an MP4"))
    stored = films.forget_lengths(processed.file(ArtifactKind.SHOT_FRAMES).path)
    frames = read_every_frame(stored, limits=Limits(), width=48, height=27)
    assert len(list(frames)) == 31


@pytest.mark.parametrize("name", ["film.wmv", "film.mkv", "film.mp4", "film.flv"])
def test_picture_that_ends_before_the_sound_is_whole(
    processor: Processor, tmp_path: Path, name: str
) -> None:
    """An ASF states one duration, the sound's, and says it of the picture, too."""
    film = films.remux(make_short_picture(tmp_path / "short.mp4"), tmp_path / name)
    assert processor.process(film).outcome.decoded_seconds == pytest.approx(0.52, abs=0.05)
    assert not read_index(film, Limits()).is_cut_off
    frames = read_every_frame(film, limits=Limits(), width=48, height=27)
    assert len(list(frames)) == 13


def test_frames_after_the_last_one_are_not_believed_where_noise_is(tmp_path: Path) -> None:
    """The end of the file is overwritten: its last frame is not one that is shown for seconds."""
    film = films.make_film(
        tmp_path / "film.mkv", seconds=8, size=SMALL, has_sound=False, codec=(*X264, "-g", "25")
    )
    content = film.read_bytes()
    kept = content[: len(content) // 2]
    film.write_bytes(kept + random.Random(1).randbytes(len(content) - len(kept)))
    assert read_index(film, Limits()).is_cut_off


def test_sprite_index_goes_on_with_the_audio(processor: Processor, tmp_path: Path) -> None:
    processed = processor.process(make_short_picture(tmp_path / "film.mp4"))
    text = processed.file(ArtifactKind.SPRITE_INDEX).path.read_text()
    assert text.count(" --> ") == 1
    start, _, end = text.splitlines()[2].partition(" --> ")
    assert start == "00:00:00.000"
    assert end.startswith(("00:00:01.9", "00:00:02.0"))


def test_half_a_held_film_is_truncated(processor: Processor, made: Callable[[str], Path]) -> None:
    for name in ("a held frame of an MP4", "a held frame of a Matroska"):
        film = films.truncate(made(name), processor.folder.parent / f"half{made(name).suffix}", 0.6)
        with pytest.raises(MediaRejected) as refused:
            processor.process(film)
        assert refused.value.code == "media_truncated", name


def test_clips_of_a_held_last_frame_show_it(bench: Bench, tmp_path: Path) -> None:
    film = bench.add(make_held(tmp_path / "film.mp4"))
    within = Clip(film, Fraction(3), Fraction(4))
    (outcome,) = bench.render(edit(within))
    assert outcome.facts["frames"] == 25
    shown = read_brightness(outcome.path)
    assert max(shown) - min(shown) < 1
    assert check_coverage(bench.films[str(film.path)], Fraction(9, 2))
    assert not check_coverage(bench.films[str(film.path)], Fraction(5))


def test_clips_go_on_with_the_audio(bench: Bench, tmp_path: Path) -> None:
    film = bench.add(make_short_picture(tmp_path / "film.mp4"))
    (outcome,) = bench.render(edit(Clip(film, Fraction(1, 5), Fraction(9, 5))))
    assert outcome.facts["frames"] == 40
    assert check_coverage(bench.films[str(film.path)], Fraction(7, 4))


@pytest.mark.parametrize(
    "name", ["a held frame of an MP4", "a held frame of a Matroska", "a still"]
)
def test_previews_show_a_held_frame_until_it_ends(
    processor: Processor, made: Callable[[str], Path], name: str
) -> None:
    film = made(name)
    info = processor.probe(film)
    length = find_duration(agree(processor), film, info)
    assert length == pytest.approx(Fraction(FILMS[name][2]), abs=0.01)
    times = [*spread_timestamps(length, 4), length - Fraction(1, 100)]
    assert len(extract_stills(agree(processor), film, info, times, height=48)) == len(times)
    facts = render_animated_preview(agree(processor), film, info, spread_excerpts(info, length))
    assert facts["frames"] >= EXCERPT_FRAMES
