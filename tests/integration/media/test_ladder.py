"""Films for adaptive play: every rung whole, its key frames where a player changes rungs."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tests import films
from tests.integration.media.conftest import Processor

from cinemill.capabilities.streaming.encode_ladder import (
    LadderOutcome,
    can_be_copied,
    copy_stream,
    make_ladder,
)
from cinemill.core.encoding.rendition import Purpose
from cinemill.errors import MediaRejected
from cinemill.media.ffmpeg.session import FfmpegSession


def climb(processor: Processor, film: Path) -> LadderOutcome:
    return make_ladder(around(processor), film, processor.probe(film), Purpose.MOBILE)


def around(processor: Processor) -> FfmpegSession:
    return FfmpegSession(
        processor.toolbox,
        processor.folder,
        processor.limits,
        processor.sandbox,
        lambda _: None,
        processor.should_stop,
    )


def key_frame_seconds(path: Path) -> list[float]:
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        assert stream.time_base is not None
        return [
            float(packet.pts * stream.time_base)
            for packet in film.demux(stream)
            if packet.is_keyframe and packet.pts is not None
        ]


def count_played(playlist: Path) -> int:
    """Pictures that come out when FFmpeg plays it as HLS."""
    with av.open(str(playlist), options={"allowed_extensions": "ALL"}) as film:
        return sum(1 for _ in film.decode(video=0))


def test_every_rung_is_whole_and_begins_its_segments_together(
    processor: Processor, tmp_path: Path
) -> None:
    film = films.make_film(
        tmp_path / "film.mp4", seconds=9, size=(640, 360), rate="30000/1001", extra=["-g", "60"]
    )
    outcome = climb(processor, film)
    assert [(stream.width, stream.height) for stream in outcome.video_streams] == [
        (640, 360),
        (426, 240),
    ]
    starts = [
        key_frame_seconds(processor.folder / stream.filename) for stream in outcome.video_streams
    ]
    assert starts[0] == pytest.approx([0, 4.004, 8.008], abs=1e-3)
    assert starts[1] == starts[0]
    assert outcome.frames == 270
    for stream in outcome.video_streams:
        size = (processor.folder / stream.filename).stat().st_size
        assert stream.head_bytes + sum(part.size_bytes for part in stream.segments) == size
    assert count_played(processor.folder / "master.m3u8") == 270
    assert count_played(processor.folder / "240p.m3u8") == 270


def test_nothing_but_what_is_told_is_left_in_the_folder(
    processor: Processor, tmp_path: Path
) -> None:
    outcome = climb(processor, films.make_film(tmp_path / "film.mp4", seconds=2))
    assert set(processor.folder.iterdir()) == set(outcome.files)


def test_a_variable_rate_is_made_constant_and_said_so(processor: Processor, tmp_path: Path) -> None:
    outcome = climb(processor, films.make_variable_rate(tmp_path / "film.mp4"))
    assert outcome.changes == ("the variable frame rate was made constant",)
    assert outcome.video_streams[0].fps.denominator == 1


def test_sounds_keep_their_languages(processor: Processor, tmp_path: Path) -> None:
    outcome = climb(processor, films.make_many_tracks(tmp_path / "film.mp4"))
    assert [sound.language for sound in outcome.audio_streams] == ["deu", "eng"]


def first_sound_seconds(path: Path) -> float:
    """When the tone is first heard, on the clock of what is played."""
    with av.open(str(path)) as film:
        parts = [frame.to_ndarray()[0] for frame in film.decode(audio=0)]
    heard = np.flatnonzero(np.abs(np.concatenate(parts)) > 0.05)
    return float(heard[0] / 48_000)


@pytest.mark.parametrize("is_copied", [False, True])
def test_sound_that_begins_late_is_as_long_as_the_film(
    processor: Processor, tmp_path: Path, is_copied: bool
) -> None:
    film = films.make_late_sound(tmp_path / "film.mp4")
    outcome = (
        copy_stream(around(processor), film, processor.probe(film))
        if is_copied
        else climb(processor, film)
    )
    assert outcome.audio_streams[0].seconds == pytest.approx(
        outcome.video_streams[0].seconds, abs=0.1
    )
    assert first_sound_seconds(processor.folder / "sound-1.mp4") == pytest.approx(2, abs=0.1)


def test_sound_from_before_the_picture_is_cut(processor: Processor, tmp_path: Path) -> None:
    """Both count from the first picture, as captions do."""
    outcome = climb(processor, films.make_late_picture(tmp_path / "film.mp4"))
    assert key_frame_seconds(processor.folder / outcome.video_streams[0].filename)[0] == 0
    assert outcome.audio_streams[0].seconds == pytest.approx(0.5, abs=0.1)


def test_a_silent_film_has_no_sound(processor: Processor, tmp_path: Path) -> None:
    outcome = climb(processor, films.make_film(tmp_path / "film.mp4", has_sound=False))
    assert outcome.audio_streams == ()


@pytest.mark.parametrize("make", [films.make_rotated, films.make_interlaced, films.make_hdr])
def test_oddities_come_out_upright_and_whole(
    processor: Processor, tmp_path: Path, make: Any
) -> None:
    outcome = climb(processor, make(tmp_path / "film.mp4"))
    info = processor.probe(processor.folder / outcome.video_streams[0].filename)
    assert not info.video.rotation_degrees
    assert not info.video.is_interlaced
    assert not info.video.hdr


def test_a_film_that_browsers_play_is_opened_without_encoding(
    processor: Processor, tmp_path: Path
) -> None:
    film = films.make_film(tmp_path / "film.mkv", seconds=3, extra=["-g", "25"])
    info = processor.probe(film)
    assert can_be_copied(info)
    outcome = copy_stream(around(processor), film, info)
    assert outcome.frames == 75
    assert outcome.video_streams[0].fps == Fraction(25)
    assert count_played(processor.folder / "master.m3u8") == 75


def test_sound_that_browsers_play_is_not_encoded_either(
    processor: Processor, tmp_path: Path
) -> None:
    film = films.make_film(tmp_path / "film.mp4", seconds=3)
    info = processor.probe(film)
    (sound,) = copy_stream(around(processor), film, info).audio_streams
    assert sound.sample_rate_hz == info.audio[0].sample_rate_hz == 44_100
    with av.open(str(film)) as source, av.open(str(processor.folder / sound.filename)) as made:
        packets = [
            [bytes(packet) for packet in one.demux(audio=0) if packet.size]
            for one in (source, made)
        ]
    assert packets[0] == packets[1]


@pytest.mark.parametrize("make", [films.make_rotated, films.make_interlaced, films.make_hdr])
def test_others_are_not(processor: Processor, tmp_path: Path, make: Any) -> None:
    assert not can_be_copied(processor.probe(make(tmp_path / "film.mp4")))


def test_half_a_film_is_no_ladder(processor: Processor, tmp_path: Path) -> None:
    film = films.make_film(tmp_path / "film.mp4", seconds=4, extra=["-movflags", "+faststart"])
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    with pytest.raises(MediaRejected):
        climb(processor, film)
