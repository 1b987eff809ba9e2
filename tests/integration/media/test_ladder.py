"""Adaptive streaming: every rung complete, with key frames where a player switches rungs."""

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


def encode_ladder(processor: Processor, film: Path) -> LadderOutcome:
    return make_ladder(around(processor), film, processor.probe(film), Purpose.MOBILE)


def around(processor: Processor) -> FfmpegSession:
    return FfmpegSession(
        processor.ffmpeg_binary,
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
    """Return the number of frames when FFmpeg plays it as HLS."""
    with av.open(str(playlist), options={"allowed_extensions": "ALL"}) as film:
        return sum(1 for _ in film.decode(video=0))


def test_ladder_rungs_are_complete_with_aligned_segments(
    processor: Processor, tmp_path: Path
) -> None:
    film = films.make_film(
        tmp_path / "film.mp4", seconds=9, size=(640, 360), rate="30000/1001", extra=["-g", "60"]
    )
    outcome = encode_ladder(processor, film)
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


def test_ladder_leaves_only_reported_files(processor: Processor, tmp_path: Path) -> None:
    outcome = encode_ladder(processor, films.make_film(tmp_path / "film.mp4", seconds=2))
    assert set(processor.folder.iterdir()) == set(outcome.files)


def test_ladder_makes_a_variable_rate_constant_and_reports_it(
    processor: Processor, tmp_path: Path
) -> None:
    outcome = encode_ladder(processor, films.make_variable_rate(tmp_path / "film.mp4"))
    assert outcome.changes == ("the variable frame rate was made constant",)
    assert outcome.video_streams[0].fps.denominator == 1


def test_ladder_audio_tracks_keep_their_languages(processor: Processor, tmp_path: Path) -> None:
    outcome = encode_ladder(processor, films.make_many_tracks(tmp_path / "film.mp4"))
    assert [sound.language for sound in outcome.audio_streams] == ["deu", "eng"]


def first_audio_seconds(path: Path) -> float:
    """Return when the tone begins, on the clock of playback."""
    with av.open(str(path)) as film:
        parts = [frame.to_ndarray()[0] for frame in film.decode(audio=0)]
    audible = np.flatnonzero(np.abs(np.concatenate(parts)) > 0.05)
    return float(audible[0] / 48_000)


@pytest.mark.parametrize("is_copied", [False, True])
def test_ladder_audio_that_begins_late_is_as_long_as_the_video(
    processor: Processor, tmp_path: Path, is_copied: bool
) -> None:
    film = films.make_late_sound(tmp_path / "film.mp4")
    outcome = (
        copy_stream(around(processor), film, processor.probe(film))
        if is_copied
        else encode_ladder(processor, film)
    )
    assert outcome.audio_streams[0].seconds == pytest.approx(
        outcome.video_streams[0].seconds, abs=0.1
    )
    assert first_audio_seconds(processor.folder / "sound-1.mp4") == pytest.approx(2, abs=0.1)


def test_ladder_cuts_audio_before_the_first_frame(processor: Processor, tmp_path: Path) -> None:
    """Both count from the first frame, as captions do."""
    outcome = encode_ladder(processor, films.make_late_picture(tmp_path / "film.mp4"))
    assert key_frame_seconds(processor.folder / outcome.video_streams[0].filename)[0] == 0
    assert outcome.audio_streams[0].seconds == pytest.approx(0.5, abs=0.1)


def test_ladder_of_a_silent_video_has_no_audio(processor: Processor, tmp_path: Path) -> None:
    outcome = encode_ladder(processor, films.make_film(tmp_path / "film.mp4", has_sound=False))
    assert outcome.audio_streams == ()


@pytest.mark.parametrize("make", [films.make_rotated, films.make_interlaced, films.make_hdr])
def test_ladder_of_unusual_videos_is_upright_and_complete(
    processor: Processor, tmp_path: Path, make: Any
) -> None:
    outcome = encode_ladder(processor, make(tmp_path / "film.mp4"))
    info = processor.probe(processor.folder / outcome.video_streams[0].filename)
    assert not info.video.rotation_degrees
    assert not info.video.is_interlaced
    assert not info.video.hdr


def test_stream_copy_opens_playable_video_without_encoding(
    processor: Processor, tmp_path: Path
) -> None:
    film = films.make_film(tmp_path / "film.mkv", seconds=3, extra=["-g", "25"])
    info = processor.probe(film)
    assert can_be_copied(info)
    outcome = copy_stream(around(processor), film, info)
    assert outcome.frames == 75
    assert outcome.video_streams[0].fps == Fraction(25)
    assert count_played(processor.folder / "master.m3u8") == 75


def test_stream_copy_keeps_playable_audio(processor: Processor, tmp_path: Path) -> None:
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


@pytest.fixture(scope="module")
def reordered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """H.264 whose frames are decoded in another order than they are shown, with AAC."""
    return films.make_film(
        tmp_path_factory.mktemp("films") / "film.mp4",
        seconds=2,
        size=(160, 90),
        codec=("-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "2", "-g", "25"),
    )


@pytest.mark.parametrize("suffix", ["ts", "m2ts", "mkv", "flv", "mov"])
def test_stream_copy_states_tags_and_forms_of_the_streams(
    processor: Processor, tmp_path: Path, reordered: Path, suffix: str
) -> None:
    """MPEG-TS has start codes, tags of its own, and AAC with a header before each frame."""
    film = films.remux(reordered, tmp_path / f"film.{suffix}")
    info = processor.probe(film)
    assert can_be_copied(info)
    outcome = copy_stream(around(processor), film, info)
    assert outcome.video_streams[0].codecs.startswith("avc1.")
    assert [stream.codecs for stream in outcome.audio_streams] == ["mp4a.40.2"]
    assert outcome.audio_streams[0].sample_rate_hz == info.audio[0].sample_rate_hz
    assert count_played(processor.folder / "master.m3u8") == 50


def test_stream_copy_is_not_used_where_frames_have_no_times(
    processor: Processor, tmp_path: Path, reordered: Path
) -> None:
    film = films.remux(reordered, tmp_path / "film.avi")
    info = processor.probe(film)
    assert not can_be_copied(info)
    assert info.video.fps == 25  # the file has 600 slots a second, most of them empty
    outcome = encode_ladder(processor, film)
    assert (outcome.frames, outcome.changes) == (50, ())


@pytest.mark.parametrize("make", [films.make_rotated, films.make_interlaced, films.make_hdr])
def test_stream_copy_is_not_used_for_other_videos(
    processor: Processor, tmp_path: Path, make: Any
) -> None:
    assert not can_be_copied(processor.probe(make(tmp_path / "film.mp4")))


def test_ladder_of_a_truncated_video_is_rejected(processor: Processor, tmp_path: Path) -> None:
    film = films.make_film(tmp_path / "film.mp4", seconds=4, extra=["-movflags", "+faststart"])
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    with pytest.raises(MediaRejected):
        encode_ladder(processor, film)
