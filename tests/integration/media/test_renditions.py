"""Renditions of unusual videos: what is kept, what is converted on purpose, and verification."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from tests import films
from tests.integration.media.conftest import Processor

from cinemill.core.encoding.rendition import VideoCodec, read_rendition
from cinemill.errors import InputRejected, JobCancelled, MediaRejected, OutputInvalid
from cinemill.media.encoding.encode import EncodeOutcome, encode
from cinemill.media.encoding.hardware import HardwareEncoder, HardwareVendor
from cinemill.media.ffmpeg.session import FfmpegSession

FORGETFUL = HardwareEncoder(
    "libx264",
    VideoCodec.H264,
    HardwareVendor("forgetful", (VideoCodec.H264,), lambda *_: ["-bsf:v", r"noise=drop=gt(n\,12)"]),
)
"""Stands for hardware that silently loses frames."""


def transcode(processor: Processor, film: Path, **options: Any) -> EncodeOutcome:
    return transcode_in(processor, film, None, **options)


def transcode_in(
    processor: Processor, film: Path, hardware: HardwareEncoder | None, **options: Any
) -> EncodeOutcome:
    return encode(
        FfmpegSession(
            processor.ffmpeg_binary,
            processor.folder,
            processor.limits,
            processor.sandbox,
            should_stop=processor.should_stop,
        ),
        film,
        processor.probe(film),
        read_rendition(options),
        hardware=hardware,
    )


def frame_seconds(path: Path) -> list[float]:
    """Return the frames' presentation times, counted from the first."""
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        times = sorted(packet.pts for packet in film.demux(stream) if packet.pts is not None)
        assert stream.time_base is not None
        return [float((time - times[0]) * stream.time_base) for time in times]


COMBINATIONS = [
    ("h264", "mp4", "h264", "aac"),
    ("h265", "mp4", "hevc", "aac"),
    ("h264", "mkv", "h264", "aac"),
    ("vp9", "mp4", "vp9", "aac"),
    ("vp9", "webm", "vp9", "opus"),
    ("av1", "webm", "av1", "opus"),
    ("av1", "mkv", "av1", "aac"),
]


@pytest.mark.parametrize(("codec", "container", "picture", "sound"), COMBINATIONS)
def test_rendition_supports_every_codec_and_container(
    processor: Processor, tmp_path: Path, codec: str, container: str, picture: str, sound: str
) -> None:
    film = films.make_film(tmp_path / "film.mp4")
    outcome = transcode(processor, film, codec=codec, container=container, preset="mobile")
    assert outcome.facts["codec"] == picture
    assert outcome.facts["frames"] == 25
    with av.open(str(outcome.path)) as made:
        assert made.streams.audio[0].codec_context.codec.canonical_name == sound


@pytest.mark.parametrize(
    "make",
    [
        films.make_variable_rate,
        films.make_edit_list,
        films.make_late_picture,
        lambda path: films.make_film(path, rate="24000/1001", seconds=2),
        lambda path: films.make_film(path, rate="30000/1001", seconds=2),
    ],
    ids=["variable", "edit list", "late picture", "23.976", "29.97"],
)
def test_rendition_keeps_frame_timestamps(
    processor: Processor, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    film = make(tmp_path / "film.mp4")
    outcome = transcode(processor, film, preset="mobile")
    shown = frame_seconds(film)[-outcome.facts["frames"] :]
    wanted = [after - before for before, after in pairwise(shown)]
    made = [after - before for before, after in pairwise(frame_seconds(outcome.path))]
    assert made == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize(
    ("make", "name", "seconds"),
    [
        (films.make_trimmed, "film.mp4", 0.7),
        (lambda path: films.make_trimmed(path, start_seconds=1.3), "film.mp4", 0.7),
        (films.make_late_clock, "film.mkv", 2.0),
    ],
    ids=["trimmed", "trimmed by more", "late clock"],
)
@pytest.mark.parametrize("audio", ["auto", "none"])
def test_rendition_of_a_complete_video_is_not_reported_as_truncated(
    processor: Processor,
    tmp_path: Path,
    make: Callable[[Path], Path],
    name: str,
    seconds: float,
    audio: str,
) -> None:
    film = make(tmp_path / name)
    assert processor.probe(film).video.duration_seconds_from_header == pytest.approx(
        seconds, abs=0.05
    )
    outcome = transcode(processor, film, preset="mobile", audio=audio)
    assert outcome.facts["duration_seconds"] == pytest.approx(seconds, abs=0.05)


def test_frames_lost_by_the_encoder_are_not_blamed_on_the_source(
    processor: Processor, tmp_path: Path
) -> None:
    film = films.make_film(tmp_path / "film.mp4", seconds=2, size=(64, 48))
    with pytest.raises(OutputInvalid, match="50 frames were decoded and 13 written"):
        transcode_in(processor, film, FORGETFUL, preset="mobile")


def test_requested_frame_rate_is_constant(processor: Processor, tmp_path: Path) -> None:
    film = films.make_variable_rate(tmp_path / "film.mp4")
    outcome = transcode(processor, film, fps="12.5", preset="mobile")
    steps = [after - before for before, after in pairwise(frame_seconds(outcome.path))]
    assert steps == pytest.approx([0.08] * len(steps))


def test_rendition_turns_rotated_video_upright(processor: Processor, tmp_path: Path) -> None:
    outcome = transcode(processor, films.make_rotated(tmp_path / "film.mp4"))
    assert (outcome.facts["width"], outcome.facts["height"]) == (180, 320)
    assert outcome.facts["changes"] == ["the video was rotated by 270 degrees"]
    assert processor.probe(outcome.path).video.rotation_degrees == 0


def test_rendition_deinterlaces_interlaced_video(processor: Processor, tmp_path: Path) -> None:
    outcome = transcode(processor, films.make_interlaced(tmp_path / "film.mp4"))
    assert "the video was deinterlaced" in outcome.facts["changes"]
    assert not processor.probe(outcome.path).video.is_interlaced


def test_rendition_keeps_hdr_if_the_codec_supports_it(processor: Processor, tmp_path: Path) -> None:
    outcome = transcode(processor, films.make_hdr(tmp_path / "film.mp4"), codec="h265")
    video = processor.probe(outcome.path).video
    assert (video.bit_depth, video.color_transfer) == (10, "smpte2084")
    assert video.hdr == "hdr10"
    assert outcome.facts["changes"] == []


def test_rendition_tone_maps_hdr_for_h264_and_reports_it(
    processor: Processor, tmp_path: Path
) -> None:
    outcome = transcode(processor, films.make_hdr(tmp_path / "film.mp4"), codec="h264")
    video = processor.probe(outcome.path).video
    assert (video.bit_depth, video.hdr) == (8, "")
    assert outcome.facts["changes"] == [
        "HDR was tone-mapped to SDR, because players expect SDR in h264"
    ]


def test_rendition_keeps_all_audio_tracks_and_languages(
    processor: Processor, tmp_path: Path
) -> None:
    outcome = transcode(processor, films.make_many_tracks(tmp_path / "film.mp4"), container="mkv")
    sounds = processor.probe(outcome.path).audio
    assert [sound.language for sound in sounds] == ["ger", "eng"] or [
        sound.language for sound in sounds
    ] == ["deu", "eng"]
    assert [sound.is_default for sound in sounds] == [False, True]


@pytest.mark.parametrize(
    ("container", "codec", "written"),
    [("mp4", "h264", "mov_text"), ("webm", "vp9", "webvtt"), ("mkv", "h264", "subrip")],
)
def test_rendition_keeps_subtitle_tracks(
    processor: Processor, tmp_path: Path, container: str, codec: str, written: str
) -> None:
    film = films.make_subtitled(tmp_path / "film.mkv")
    outcome = transcode(processor, film, container=container, codec=codec, preset="mobile")
    (track,) = processor.probe(outcome.path).subtitles
    assert track.codec == written
    with av.open(str(outcome.path)) as made:
        packets = [bytes(packet) for packet in made.demux(made.streams.subtitles[0]) if packet.size]
    assert b"Hello" in b"".join(packets)


def test_rendition_without_requested_audio_has_none(processor: Processor, tmp_path: Path) -> None:
    outcome = transcode(processor, films.make_film(tmp_path / "film.mp4"), audio="none")
    assert outcome.facts["sounds"] == 0


def test_rendition_of_a_silent_video_is_silent(processor: Processor, tmp_path: Path) -> None:
    outcome = transcode(processor, films.make_film(tmp_path / "film.mp4", has_sound=False))
    assert outcome.facts["sounds"] == 0


@pytest.mark.parametrize(
    ("box", "size"),
    [
        ({"width": 160}, (160, 90)),
        ({"height": 90}, (160, 90)),
        ({"width": 100, "height": 100}, (100, 56)),
        ({"width": 640, "height": 360}, (640, 360)),
        ({}, (320, 180)),
    ],
)
def test_rendition_size_box_keeps_the_aspect_ratio(
    processor: Processor, tmp_path: Path, box: dict[str, int], size: tuple[int, int]
) -> None:
    outcome = transcode(processor, films.make_film(tmp_path / "film.mp4"), preset="mobile", **box)
    assert (outcome.facts["width"], outcome.facts["height"]) == size


@pytest.mark.parametrize("box", [{"width": 16_384}, {"width": 16_000, "height": 16_000}])
def test_rendition_larger_than_the_limit_is_rejected(
    processor: Processor, tmp_path: Path, box: dict[str, int]
) -> None:
    film = films.make_film(tmp_path / "film.mp4")
    with pytest.raises(InputRejected) as refused:
        transcode(processor, film, **box)
    assert refused.value.code == "combination_impossible"


def test_rendition_keeps_the_bitrate_on_average(processor: Processor, tmp_path: Path) -> None:
    film = films.make_film(tmp_path / "film.mp4", seconds=4, size=(640, 360), has_sound=False)
    outcome = transcode(processor, film, bitrate="800k")
    assert 8 * outcome.path.stat().st_size / 4 == pytest.approx(800_000, rel=0.25)


def test_rendition_of_a_truncated_video_is_rejected(processor: Processor, tmp_path: Path) -> None:
    film = films.make_film(tmp_path / "film.mp4", seconds=4, extra=["-movflags", "+faststart"])
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    with pytest.raises(MediaRejected) as rejected:
        transcode(processor, film)
    assert rejected.value.code in ("media_truncated", "media_damaged")


def test_rendition_can_be_cancelled(processor: Processor, tmp_path: Path) -> None:
    from dataclasses import replace

    film = films.make_long_film(tmp_path / "film.mp4", seconds=20, size=(1280, 720))
    stopping = replace(processor, should_stop=lambda: JobCancelled("enough"))
    with pytest.raises(JobCancelled):
        transcode(stopping, film, preset="archive")
