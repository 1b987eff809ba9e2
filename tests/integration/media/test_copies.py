"""Uncut stretches of films that this mill rendered: copied as they are stored, or encoded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
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
    make_numbered,
    read_numbers,
)

from cinemill.core.pieces import cut_pieces
from cinemill.core.subtitles import read_subtitles
from cinemill.core.timeline import Clip, Source, Timeline, Title
from cinemill.errors import MediaRejected

SECONDS = 4
FRAMES = SECONDS * 25


@pytest.fixture
def rendered(bench: Bench, tmp_path: Path) -> Source:
    """Four scenes of a second each, with a key frame at each: frames 0 to 24, four times."""
    film = bench.add(make_numbered(tmp_path / "film.mp4", seconds=1, extra=["-bf", "3"]))
    timeline = edit(*[Clip(film, Fraction(0), Fraction(1))] * SECONDS)
    path, _ = bench.join(timeline, bench.render(timeline), None)
    return bench.add(path.rename(tmp_path / "rendered.mp4"))


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
def test_whole_groups_are_copied_and_the_rest_is_encoded(
    bench: Bench, rendered: Source, since: str, until: str, copied: int
) -> None:
    timeline = cut(rendered, since, until)
    (outcome,) = bench.render(timeline)
    first, end = (round(Fraction(moment) * 25) for moment in (since, until))
    assert read_numbers(outcome.path) == [number % 25 for number in range(first, end)]
    assert outcome.facts.get("copied_frames", 0) == copied
    stored = set(hash_packets(bench.films[str(rendered.path)].path))
    assert sum(one in stored for one in hash_packets(outcome.path)) >= copied
    bench.join(timeline, [outcome], None)


def test_what_is_copied_and_what_is_encoded_are_one_film(bench: Bench, rendered: Source) -> None:
    other = replace(FADE, seconds=Fraction(1, 5))
    timeline = edit(
        Clip(rendered, Fraction("0.2"), Fraction("2.4"), other),
        Clip(rendered, Fraction("1"), Fraction("4")),
    )
    outcomes = bench.render(timeline)
    assert [one.facts.get("copied_frames", 0) for one in outcomes] == [25, 0, 50]
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
def test_what_is_changed_is_encoded(
    bench: Bench, rendered: Source, change: Callable[[Timeline], Timeline]
) -> None:
    timeline = change(cut(rendered, "0", "4"))
    (outcome,) = bench.render(timeline)
    assert "copied_frames" not in outcome.facts


def test_what_is_subtitled_is_encoded(bench: Bench, rendered: Source) -> None:
    cue = b"1\n00:00:01,000 --> 00:00:02,000\nHello\n"
    (outcome,) = bench.render(cut(rendered, "0", "4"), read_subtitles(cue))
    assert "copied_frames" not in outcome.facts


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
def test_what_others_encoded_is_encoded(bench: Bench, tmp_path: Path, extra: list[str]) -> None:
    film = bench.add(make_numbered(tmp_path / "other.mp4", extra=extra))
    (outcome,) = bench.render(cut(film, "0", "2"))
    assert "copied_frames" not in outcome.facts
    assert read_numbers(outcome.path) == list(range(50))


def test_a_damaged_film_is_refused_though_it_could_be_copied(
    bench: Bench, rendered: Source
) -> None:
    path = bench.films[str(rendered.path)].path
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 600] = bytes(600)
    path.write_bytes(content)
    with pytest.raises(MediaRejected) as refused:
        bench.render(cut(rendered, "0", "4"))
    assert refused.value.code == "media_damaged"


def test_a_film_with_an_edit_list_is_encoded(bench: Bench, tmp_path: Path) -> None:
    film = bench.add(films.make_edit_list(tmp_path / "edited.mp4"))
    info = bench.films[str(film.path)].info
    output = replace(OUTPUT, width=info.video.width, height=info.video.height, fps=info.video.fps)
    timeline = edit(Clip(film, Fraction(0), Fraction("1.1")), output=output)
    assert len(cut_pieces(timeline)) == 1
    (outcome,) = bench.render(timeline)
    assert "copied_frames" not in outcome.facts
