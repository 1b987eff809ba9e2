"""Uncut ranges of videos that Cinemill rendered: copied as stored, or encoded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest
from tests import films
from tests.integration.media.editing import (
    FADE,
    OUTPUT,
    Bench,
    edit,
    read_brightness,
)

from cinemill.capabilities.render.timeline.timeline import Clip, Source, Timeline, Title
from cinemill.core.text.subtitle_parser import read_subtitles
from cinemill.errors import MediaRejected

SECONDS = 4
FRAMES = SECONDS * 25


@pytest.fixture
def rendered(bench: Bench, tmp_path: Path) -> Source:
    """Return four clips of a second each, with a key frame at each and a number in every frame."""
    film = bench.add(number_frames(tmp_path / "film.mp4"))
    clips = [Clip(film, Fraction(second), Fraction(second + 1)) for second in range(SECONDS)]
    timeline = edit(*clips)
    path, _ = bench.join(timeline, bench.render(timeline), None)
    return bench.add(path.rename(tmp_path / "rendered.mp4"))


def number_frames(path: Path, extra: Sequence[str] = ("-bf", "3")) -> Path:
    """Create a video whose frames state their number by brightness: 2 for each."""
    number = "geq=lum='16+2*N':cb=128:cr=128"
    return films.make_film(path, seconds=SECONDS, filters=number, has_sound=False, extra=[*extra])


def read_numbers(path: Path) -> list[int]:
    return [round(value * 219 / 255 / 2) for value in read_brightness(path)]


def cut(film: Source, since: str, until: str) -> Timeline:
    return edit(Clip(film, Fraction(since), Fraction(until)))


def hash_packets(path: Path) -> list[str]:
    with av.open(str(path)) as film:
        return [
            hashlib.sha256(bytes(packet)).hexdigest()
            for packet in film.demux(film.streams.video[0])
            if packet.pts is not None
        ]


@pytest.mark.parametrize(
    ("since", "until", "copied"),
    [
        ("0", "4", 100),
        ("1", "3", 50),
        ("0.52", "3.6", 50),
        ("2", "3.5", 25),
        ("0.4", "2", 25),
        ("0.52", "1.52", 0),
        ("0", "0.88", 0),
    ],
)
def test_smart_cut_copies_whole_groups_and_encodes_the_rest(
    bench: Bench, rendered: Source, since: str, until: str, copied: int
) -> None:
    timeline = cut(rendered, since, until)
    (outcome,) = bench.render(timeline)
    first, end = (round(Fraction(moment) * 25) for moment in (since, until))
    assert read_numbers(outcome.path) == list(range(first, end))
    assert outcome.copied_frames == copied
    stored = set(hash_packets(bench.films[str(rendered.path)].path))
    assert sum(one in stored for one in hash_packets(outcome.path)) >= copied
    bench.join(timeline, [outcome], None)


def test_smart_cut_joins_copied_and_encoded_ranges_into_one_video(
    bench: Bench, rendered: Source
) -> None:
    other = replace(FADE, seconds=Fraction(1, 5))
    timeline = edit(
        Clip(rendered, Fraction("0.2"), Fraction("2.4"), other),
        Clip(rendered, Fraction("1"), Fraction("4")),
    )
    outcomes = bench.render(timeline)
    assert [one.copied_frames for one in outcomes] == [25, 0, 50]
    path, facts = bench.join(timeline, outcomes, None)
    with av.open(str(path)) as film:
        assert sum(1 for _ in film.decode(video=0)) == facts["frames"] == 125


def add_title(timeline: Timeline) -> Timeline:
    return replace(timeline, titles=(Title("Hello", Fraction(1), Fraction(2)),))


def fade_in(timeline: Timeline) -> Timeline:
    return replace(timeline, clips=(replace(timeline.clips[0], fade_in_seconds=Fraction(1)),))


def change_rate(timeline: Timeline) -> Timeline:
    return replace(timeline, output=replace(OUTPUT, fps=Fraction(24)))


def change_size(timeline: Timeline) -> Timeline:
    return replace(timeline, output=replace(OUTPUT, width=160, height=90))


@pytest.mark.parametrize("change", [add_title, fade_in, change_rate, change_size])
def test_smart_cut_encodes_changed_ranges(
    bench: Bench, rendered: Source, change: Callable[[Timeline], Timeline]
) -> None:
    timeline = change(cut(rendered, "0", "4"))
    (outcome,) = bench.render(timeline)
    assert outcome.copied_frames == 0


def test_smart_cut_encodes_subtitled_ranges(bench: Bench, rendered: Source) -> None:
    cue = b"1\n00:00:01,000 --> 00:00:02,000\nHello\n"
    (outcome,) = bench.render(cut(rendered, "0", "4"), read_subtitles(cue))
    assert outcome.copied_frames == 0


@pytest.mark.parametrize(
    "extra",
    [
        ["-g", "25", "-preset", "ultrafast"],
        ["-g", "25", "-crf", "30"],
        ["-g", "25", "-x264-params", "open-gop=1:keyint=25:bframes=3"],
        ["-c:v", "libx265", "-x265-params", "keyint=25:log-level=none"],
    ],
    ids=["preset", "crf", "open groups", "codec"],
)
def test_smart_cut_encodes_sources_of_other_encoders(
    bench: Bench, tmp_path: Path, extra: list[str]
) -> None:
    film = bench.add(number_frames(tmp_path / "other.mp4", extra))
    (outcome,) = bench.render(cut(film, "0", "2"))
    assert outcome.copied_frames == 0
    assert read_numbers(outcome.path) == list(range(50))


def test_smart_cut_rejects_a_damaged_source(bench: Bench, rendered: Source) -> None:
    path = bench.films[str(rendered.path)].path
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 600] = bytes(600)
    path.write_bytes(content)
    with pytest.raises(MediaRejected) as refused:
        bench.render(cut(rendered, "0", "4"))
    assert refused.value.code == "media_damaged"


def test_smart_cut_keeps_frames_hidden_by_an_edit_list_hidden(
    bench: Bench, rendered: Source, tmp_path: Path
) -> None:
    """It is stored from the key frame on, and an edit list skips the frames before the cut."""
    path = tmp_path / "trimmed.mp4"
    source = bench.films[str(rendered.path)].path
    films.run(["-ss", "0.4", "-i", f"file:{source}", "-c", "copy", f"file:{path}"])
    (outcome,) = bench.render(cut(bench.add(path), "0", "3"))
    assert read_numbers(outcome.path) == list(range(10, 85))
    assert outcome.copied_frames == 50


def test_smart_cut_copies_from_matroska_and_past_the_end(
    bench: Bench, rendered: Source, tmp_path: Path
) -> None:
    """If a clip exceeds the video, its last frame is held, so it is encoded."""
    source = bench.films[str(rendered.path)].path
    film = bench.add(films.remux(source, tmp_path / "rendered.mkv"))
    (outcome,) = bench.render(cut(film, "1.4", "4.08"))
    assert read_numbers(outcome.path) == [*range(35, 100), 99, 99]
    assert outcome.copied_frames in (25, 50)


@pytest.mark.parametrize("turn", [["-display_rotation", "180"], ["-display_vflip"]])
def test_smart_cut_encodes_rotated_sources(
    bench: Bench, rendered: Source, tmp_path: Path, turn: list[str]
) -> None:
    source = bench.films[str(rendered.path)].path
    path = tmp_path / "turned.mp4"
    films.run([*turn, "-i", f"file:{source}", "-c", "copy", f"file:{path}"])
    (outcome,) = bench.render(cut(bench.add(path), "0", "4"))
    assert outcome.copied_frames == 0


def test_smart_cut_handles_encoder_settings_that_change_midway(
    bench: Bench, rendered: Source, tmp_path: Path
) -> None:
    """In a concatenated video, the second part has its own encoder's settings.

    The header contains only the settings of the first part.
    """
    first = bench.films[str(rendered.path)].path
    quick = ["-preset", "veryfast", "-g", "25", "-video_track_timescale", "10000"]
    second = number_frames(tmp_path / "second.mp4", quick)
    (tmp_path / "list.txt").write_text(f"file {first.name}\nfile {second.name}\n")
    both = tmp_path / "both.mp4"
    films.run(["-f", "concat", "-i", f"file:{tmp_path / 'list.txt'}", "-c", "copy", f"file:{both}"])
    film = bench.add(both)
    video = (bench.films[str(both)].info.video, bench.films[str(rendered.path)].info.video)
    assert video[0].settings == video[1].settings
    timeline = edit(
        Clip(film, Fraction(3), Fraction(6)), Clip(rendered, Fraction("0.4"), Fraction(1))
    )
    outcomes = bench.render(timeline)
    path, _ = bench.join(timeline, outcomes, None)
    assert read_numbers(path) == [*range(75, 100), *range(50), *range(10, 25)]
