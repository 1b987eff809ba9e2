"""Damage is found by stream and time, and the best effort makes what can be made all the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests import films
from tests.integration.media.conftest import Processor

from cinemill.core.media import ArtifactKind
from cinemill.errors import MediaRejected
from cinemill.media.verify.damage import Damage, DamagedRange, find_damage, format_clock

SECONDS = 4
PICTURE, SOUND = 0, 1


def make(path: Path) -> Path:
    return films.make_film(path, seconds=SECONDS, extra=["-g", "25"])


def look(processor: Processor, film: Path) -> Damage:
    return find_damage(
        film,
        processor.probe(film),
        processor.limits,
        sandbox=processor.sandbox,
        should_stop=lambda: None,
    )


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.ts"])
@pytest.mark.parametrize(("stream", "kind"), [(PICTURE, "picture"), (SOUND, "sound")])
def test_damage_is_found_in_its_stream_and_at_its_time(
    processor: Processor, tmp_path: Path, name: str, stream: int, kind: str
) -> None:
    film = make(tmp_path / name)
    began = processor.probe(film).start_seconds
    films.spoil(film, stream=stream, start=began + 2.0, end=began + 2.4)
    damage = look(processor, film)
    found = {(one.stream, one.kind) for one in damage.ranges}
    # Packets of a transport stream lie among each other.
    assert found == {(stream, kind)} or (name == "film.ts" and (stream, kind) in found)
    assert 1.7 <= min(one.start_seconds for one in damage.ranges) <= 2.3
    # Frames that refer to lost ones are lost with them, up to the next key frame.
    assert 2.1 <= max(one.end_seconds for one in damage.ranges) <= 3.3
    assert damage.searched_seconds is None


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.ts", "film.avi", "film.flv"])
def test_whole_video_has_no_damage(processor: Processor, tmp_path: Path, name: str) -> None:
    assert look(processor, make(tmp_path / name)) == Damage()


def test_gap_without_any_error_is_found(processor: Processor, tmp_path: Path) -> None:
    """Some containers lose packets and say nothing."""
    gap = ["select='not(between(t,1,2))'", "-fps_mode", "vfr"]
    film = films.make_film(tmp_path / "film.mkv", seconds=SECONDS, filters=gap[0], extra=gap[1:])
    info = processor.probe(film)
    steady = replace(info, video=replace(info.video, is_variable_rate=False))
    (missing,) = find_damage(
        film, steady, processor.limits, sandbox=processor.sandbox, should_stop=lambda: None
    ).ranges
    assert missing.start_seconds == pytest.approx(1.0, abs=0.05)
    assert missing.end_seconds == pytest.approx(2.04, abs=0.05)


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
def test_truncated_video_lacks_its_end(processor: Processor, tmp_path: Path, name: str) -> None:
    fast = ["-movflags", "faststart"] if name.endswith("mp4") else []
    whole = films.make_film(tmp_path / f"whole-{name}", seconds=SECONDS, extra=fast)
    damage = look(processor, films.truncate(whole, tmp_path / name, 0.6))
    last = damage.ranges[-1] if damage.ranges[-1].stream == PICTURE else damage.ranges[0]
    assert last.stream == PICTURE
    assert 1 < last.start_seconds < SECONDS
    assert last.end_seconds == pytest.approx(SECONDS, abs=0.2)
    sound = [one for one in damage.ranges if one.stream == SOUND][-1]
    assert sound.end_seconds == pytest.approx(SECONDS, abs=0.2)


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
def test_beginning_that_is_lost_lengthens_nothing(
    processor: Processor, tmp_path: Path, name: str
) -> None:
    """Time counts from the first frame that can be decoded."""
    film = films.spoil(make(tmp_path / name), stream=PICTURE, start=-1.0, end=0.9)
    (lost,) = look(processor, film).ranges
    assert (lost.stream, lost.start_seconds) == (PICTURE, 0)
    assert lost.end_seconds <= 1


def test_frames_that_are_lost_before_the_end_do_not_truncate(
    processor: Processor, tmp_path: Path
) -> None:
    film = films.spoil(make(tmp_path / "film.avi"), stream=PICTURE, start=2.0, end=2.4)
    with pytest.raises(MediaRejected) as refused:
        processor.process(film)
    assert refused.value.code == "media_damaged"


def test_file_that_cannot_be_opened_has_no_damage_that_is_known(
    processor: Processor, tmp_path: Path
) -> None:
    film = make(tmp_path / "film.mkv")
    info = processor.probe(film)
    film.write_bytes(b"no longer a film")
    found = find_damage(
        film, info, processor.limits, sandbox=processor.sandbox, should_stop=lambda: None
    )
    assert found == Damage()


def test_ranges_are_said_stream_by_stream() -> None:
    ranges = [DamagedRange(0, "picture", at, at + 0.4) for at in (3.2, 7.0, 61.0, 3600.0, 3700.0)]
    damage = Damage((*ranges, DamagedRange(1, "sound", 0.0, 1.0)))
    assert damage.describe() == (
        "picture (stream 0) at 0:03.2–0:03.6, 0:07.0–0:07.4, 1:01.0–1:01.4 and in 2 more places; "
        "sound (stream 1) at 0:00.0–0:01.0"
    )
    assert Damage().describe() == ""
    assert DamagedRange(0, "picture", 0.0, 0.0).describe() == "the beginning"
    assert Damage((ranges[0],), 60.0).describe().endswith(" (of the first 1:00.0)")


@pytest.mark.parametrize(
    ("seconds", "clock"),
    [
        (0, "0:00.0"),
        (59.96, "1:00.0"),
        (3599.97, "1:00:00.0"),
        (3661.25, "1:01:01.2"),
        (-1, "0:00.0"),
    ],
)
def test_clock(seconds: float, clock: str) -> None:
    assert format_clock(seconds) == clock


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.ts"])
def test_best_effort_makes_every_file_of_a_damaged_video(
    processor: Processor, tmp_path: Path, name: str
) -> None:
    film = make(tmp_path / name)
    films.spoil(film, stream=PICTURE, start=2.0, end=2.4)
    with pytest.raises(MediaRejected):
        processor.process(film)
    made = processor.process(film, best_effort=True)
    assert made.outcome.flaw in ("media_damaged", "media_truncated")
    assert {ArtifactKind.PROXY, ArtifactKind.POSTER, ArtifactKind.AUDIO} < made.kinds
    assert made.file(ArtifactKind.PROXY).path.stat().st_size > 0


def test_best_effort_takes_a_truncated_video_as_far_as_it_goes(
    processor: Processor, tmp_path: Path
) -> None:
    whole = films.make_film(tmp_path / "whole.mkv", seconds=SECONDS)
    made = processor.process(films.truncate(whole, tmp_path / "film.mkv", 0.6), best_effort=True)
    assert made.outcome.flaw == "media_truncated"
    assert 1 < made.outcome.decoded_seconds < SECONDS


def test_best_effort_leaves_out_audio_of_which_nothing_can_be_made(
    processor: Processor, tmp_path: Path
) -> None:
    film = make(tmp_path / "film.mkv")
    films.spoil(film, stream=SOUND, start=-1.0, end=SECONDS + 1.0)
    made = processor.process(film, best_effort=True)
    assert made.outcome.flaw == "media_damaged"
    assert ArtifactKind.PROXY in made.kinds


def test_best_effort_changes_nothing_for_a_whole_video(
    processor: Processor, tmp_path: Path
) -> None:
    made = processor.process(make(tmp_path / "film.mp4"), best_effort=True)
    assert (made.outcome.flaw, made.outcome.lacks_sound) == ("", False)
