"""Ordinary videos: each is probed correctly and prepared completely."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from tests import films
from tests.integration.media.conftest import ProcessedVideo, Processor

from cinemill.capabilities.ingest.handlers import ALWAYS_CREATED
from cinemill.core.media import ArtifactKind, MediaInfo
from cinemill.errors import DependencyUnavailable

ALL_KINDS = {*ALWAYS_CREATED, ArtifactKind.AUDIO}


def frame_times(path: Path) -> list[float]:
    with av.open(str(path), "r") as container:
        return [float(frame.time) for frame in container.decode(video=0)]


def mean_color(still: Path) -> list[float]:
    with av.open(str(still), "r") as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
    return [float(value) for value in picture.reshape(-1, 3).mean(axis=0)]


def lasts(processed: ProcessedVideo, kind: ArtifactKind) -> Any:
    return processed.facts(kind)["duration_seconds"]


def test_ingest_of_a_video_with_audio_creates_every_file(
    processor: Processor, tmp_path: Path
) -> None:
    processed = processor.process(films.make_film(tmp_path / "film.mp4", seconds=2))
    assert processed.kinds == ALL_KINDS
    assert processed.outcome.decoded_frames == 50
    assert processed.outcome.decoded_seconds == pytest.approx(2.0, abs=0.002)
    assert lasts(processed, ArtifactKind.PROXY) == pytest.approx(2.0, abs=0.11)
    assert lasts(processed, ArtifactKind.AUDIO) == pytest.approx(2.0, abs=0.1)
    assert processed.facts(ArtifactKind.MODEL_FRAMES)["frames"] == 2
    assert processed.facts(ArtifactKind.SHOT_FRAMES)["frames"] == 50
    assert processed.outcome.cpu_seconds > 0
    assert {path.name for path in processor.folder.iterdir()} == {
        file.path.name for file in processed.outcome.files
    }


def test_ingest_of_the_same_video_gives_the_same_bytes(
    processor: Processor, tmp_path: Path
) -> None:
    film = films.make_film(tmp_path / "film.mp4")
    first = {file.kind: file.path.read_bytes() for file in processor.process(film).outcome.files}
    second = {file.kind: file.path.read_bytes() for file in processor.process(film).outcome.files}
    assert first == second


def test_ingest_publishes_none_of_the_uploaders_metadata(
    processor: Processor, tmp_path: Path
) -> None:
    named = ["-metadata", "title=the uploader's own words"]
    processed = processor.process(films.make_film(tmp_path / "film.mp4", extra=named))
    assert not any(b"own words" in file.path.read_bytes() for file in processed.outcome.files)


def test_ingest_of_a_silent_video_creates_no_audio_file(
    processor: Processor, tmp_path: Path
) -> None:
    processed = processor.process(films.make_film(tmp_path / "film.mp4", has_sound=False))
    assert processed.kinds == ALL_KINDS - {ArtifactKind.AUDIO}
    assert processed.facts(ArtifactKind.PROXY)["has_sound"] is False


@pytest.mark.parametrize(
    ("size", "proxy"),
    [((321, 181), (322, 182)), ((1280, 720), (854, 480)), ((64, 1000), (32, 480))],
)
def test_ingest_proxy_sizes_are_even_and_small(
    processor: Processor, tmp_path: Path, size: tuple[int, int], proxy: tuple[int, int]
) -> None:
    codec = ["-c:v", "ffv1", "-pix_fmt", "yuv444p"]
    processed = processor.process(films.make_film(tmp_path / "film.mkv", size=size, codec=codec))
    facts = processed.facts(ArtifactKind.PROXY)
    assert (facts["width"], facts["height"]) == pytest.approx(proxy, abs=2)


def test_ingest_keeps_timestamps_of_a_variable_rate(processor: Processor, tmp_path: Path) -> None:
    film = films.make_variable_rate(tmp_path / "film.mp4")
    processed = processor.process(film)
    assert processed.info.video.is_variable_rate
    kept = frame_times(processed.file(ArtifactKind.SHOT_FRAMES).path)
    assert kept == pytest.approx(frame_times(film), abs=0.001)


def test_probe_does_not_report_a_constant_rate_as_variable(
    processor: Processor, tmp_path: Path
) -> None:
    for name, rate in (("film.mp4", "25"), ("film.mkv", "30000/1001"), ("film.ts", "24000/1001")):
        film = films.make_film(tmp_path / name, rate=rate, seconds=2)
        assert not processor.probe(film).video.is_variable_rate, name


@pytest.mark.parametrize("counterclockwise", [90, 180, 270])
def test_ingest_applies_rotation(
    processor: Processor, tmp_path: Path, counterclockwise: int
) -> None:
    film = films.make_rotated(tmp_path / "film.mp4", counterclockwise=counterclockwise)
    processed = processor.process(film)
    assert processed.info.video.rotation_degrees == 360 - counterclockwise
    facts = processed.facts(ArtifactKind.PROXY)
    is_upright = counterclockwise % 180 == 90
    assert (facts["width"], facts["height"]) == ((180, 320) if is_upright else (320, 180))


@pytest.mark.parametrize(("transfer", "hdr"), [("smpte2084", "hdr10"), ("arib-std-b67", "hlg")])
def test_ingest_tone_maps_hdr_to_sdr(
    processor: Processor, tmp_path: Path, transfer: str, hdr: str
) -> None:
    processed = processor.process(films.make_hdr(tmp_path / "film.mp4", transfer=transfer))
    assert (processed.info.video.hdr, processed.info.video.bit_depth) == (hdr, 10)
    with av.open(str(processed.file(ArtifactKind.PROXY).path), "r") as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
    was_mapped = not any("HDR" in warning for warning in processed.outcome.warnings)
    assert was_mapped is processor.ffmpeg_binary.can_tonemap


def test_ingest_detects_and_deinterlaces_interlaced_video(
    processor: Processor, tmp_path: Path
) -> None:
    processed = processor.process(films.make_interlaced(tmp_path / "film.mp4"))
    assert processed.info.video.is_interlaced
    with av.open(str(processed.file(ArtifactKind.PROXY).path), "r") as container:
        assert not next(container.decode(video=0)).interlaced_frame


def test_ingest_uses_the_default_of_several_audio_tracks(
    processor: Processor, tmp_path: Path
) -> None:
    processed = processor.process(films.make_many_tracks(tmp_path / "film.mkv"))
    assert [track.language for track in processed.info.audio] == ["deu", "eng"]
    assert count_waves(processed.file(ArtifactKind.AUDIO).path) == pytest.approx(
        films.SECOND_TRACK_HZ, rel=0.03
    )


def count_waves(sound: Path) -> float:
    """Return upward zero crossings a second."""
    with av.open(str(sound), "r") as container:
        samples: list[float] = [
            value for frame in container.decode(audio=0) for value in frame.to_ndarray()[0].tolist()
        ]
    rising = sum(before < 0 <= after for before, after in itertools.pairwise(samples))
    return rising / (len(samples) / 16_000)


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("pt-BR", "pt-BR"),
        ('de",URI="x', "und"),
        ("eng\n#EXTINF:0,", "und"),
        ("eng\n", "und"),
        ("klingon", "und"),
        ("", "und"),
    ],
)
def test_probe_reports_a_language_or_unknown(
    processor: Processor, tmp_path: Path, said: str, taken: str
) -> None:
    """It is written into playlists and manifests, and Matroska accepts any text."""
    spoken = [f"-metadata:s:{kind}:0" for kind in "as"]
    tags = [part for name in spoken for part in (name, f"language={said}")]
    film = films.remux(films.make_subtitled(tmp_path / "a.mkv"), tmp_path / "b.mkv", *tags)
    info = processor.probe(film)
    assert [track.language for track in info.audio] == [taken]
    assert [track.language for track in info.subtitles] == [taken]


def test_ingest_respects_edit_lists(processor: Processor, tmp_path: Path) -> None:
    film = films.make_edit_list(tmp_path / "film.mp4")
    processed = processor.process(film)
    assert processed.info.has_edit_list
    assert processed.outcome.decoded_frames == len(frame_times(film))
    assert processed.outcome.decoded_seconds == pytest.approx(1.8, abs=0.1)


def test_probe_reports_no_edit_list_for_a_plain_video(processor: Processor, tmp_path: Path) -> None:
    assert not processor.probe(films.make_film(tmp_path / "film.mp4", seconds=2)).has_edit_list


def test_ingest_cuts_audio_before_the_first_frame(processor: Processor, tmp_path: Path) -> None:
    processed = processor.process(films.make_late_picture(tmp_path / "film.mkv"))
    assert processed.info.start_seconds == pytest.approx(0.5, abs=0.01)
    assert processed.facts(ArtifactKind.PROXY)["start_seconds"] == 0
    assert lasts(processed, ArtifactKind.AUDIO) == pytest.approx(0.5, abs=0.1)


def test_ingest_handles_a_frame_size_change(processor: Processor, tmp_path: Path) -> None:
    processed = processor.process(films.make_size_change(tmp_path / "film.ts"))
    assert processed.outcome.decoded_frames == 50
    assert processed.facts(ArtifactKind.PROXY)["frames"] == 20


@pytest.mark.parametrize(
    ("seconds", "rate", "frames"), [(0.04, "25", 1), (8, "1/2", 4), (1, "240", 240)]
)
def test_ingest_handles_very_few_and_very_many_frames(
    processor: Processor, tmp_path: Path, seconds: float, rate: str, frames: int
) -> None:
    film = films.make_film(tmp_path / "film.mp4", seconds=seconds, rate=rate, has_sound=False)
    processed = processor.process(film, thumbnail_seconds=Fraction(1))
    assert processed.outcome.decoded_frames == frames
    assert processed.kinds == ALWAYS_CREATED | {ArtifactKind.THUMBNAIL}


def test_ingest_corrects_non_square_pixels(processor: Processor, tmp_path: Path) -> None:
    processed = processor.process(films.make_film(tmp_path / "film.mp4", filters="setsar=4/3"))
    assert processed.info.video.display_width == 427
    assert processed.facts(ArtifactKind.PROXY)["width"] in (426, 428)


@pytest.mark.parametrize("moment", [Fraction(0), Fraction(3, 2), Fraction(60)])
def test_thumbnail_is_the_frame_on_screen_at_its_timestamp(
    processor: Processor, tmp_path: Path, moment: Fraction
) -> None:
    """Dark for the first second, then bright."""
    dark_then_bright = "drawbox=color=black:t=fill,drawbox=color=white:t=fill:enable='gte(t,1)'"
    film = films.make_film(tmp_path / "film.mp4", seconds=2, filters=dark_then_bright)
    processed = processor.process(film, thumbnail_seconds=moment)
    brightness = mean_color(processed.file(ArtifactKind.THUMBNAIL).path)[0]
    assert (brightness > 128) is (moment >= 1)


_SOME_CONTAINERS = {
    "film.mkv": (),
    "film.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime"),
    "film.ts": (),
    "film.avi": ("-c:v", "mpeg4"),
    "film.wmv": ("-c:v", "wmv2"),
    "film.mpg": ("-c:v", "mpeg2video"),
    "film.ogv": ("-c:v", "libtheora"),
}


@pytest.mark.parametrize("name", _SOME_CONTAINERS)
def test_ingest_accepts_every_listed_container(
    processor: Processor, tmp_path: Path, name: str
) -> None:
    codec = _SOME_CONTAINERS[name] or ("-c:v", "libx264", "-preset", "ultrafast")
    processed = processor.process(films.make_film(tmp_path / name, codec=codec))
    assert processed.kinds == ALL_KINDS
    assert processed.outcome.decoded_frames == 25


def test_ingest_progress_rises_to_the_end(processor: Processor, tmp_path: Path) -> None:
    shares = processor.process(films.make_film(tmp_path / "film.mp4", seconds=4)).shares
    assert shares
    assert list(shares) == sorted(shares)
    assert shares[-1] == pytest.approx(1.0, abs=0.1)


def test_media_info_round_trips_through_json(processor: Processor, tmp_path: Path) -> None:
    info = processor.probe(films.make_many_tracks(tmp_path / "film.mkv"))
    assert MediaInfo.from_json(info.to_json()) == info


@pytest.mark.parametrize(
    "name", ["-i.mp4", "new\nline.mp4", "😀 film.mp4", "a'b\"c;$(id).mp4", "%d%s.mp4", "x:y,z.mp4"]
)
def test_file_names_are_never_interpreted_by_ffmpeg(
    processor: Processor, tmp_path: Path, name: str
) -> None:
    plain = films.make_film(tmp_path / "plain.mp4", has_sound=False)
    processed = processor.process(plain.rename(tmp_path / name))
    assert processed.outcome.decoded_frames == 25


def test_ingest_of_a_real_video_succeeds(processor: Processor) -> None:
    samples = pytest.importorskip("tools.samples")
    try:
        film = samples.fetch("bigbuckbunny")
    except samples.SampleUnavailable as missing:
        pytest.skip(f"no package index: {missing}")
    processed = processor.process(film, thumbnail_seconds=Fraction(2))
    assert processed.outcome.decoded_frames == 132
    assert processed.info.audio[0].channels == 6
    assert processed.facts(ArtifactKind.PROXY)["height"] == 480


def test_missing_ffmpeg_is_reported() -> None:
    from cinemill.media.ffmpeg.binary import find_ffmpeg

    with pytest.raises(DependencyUnavailable, match="does not run"):
        find_ffmpeg(Path("/nowhere/ffmpeg"))
