"""Channels and tracks in what is made of a video: every tone is heard, and the right track is."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from tests import films, sounds
from tests.integration.media.conftest import Processor
from tests.integration.media.editing import Bench

from cinemill.capabilities.render.timeline.timeline import Clip, Timeline
from cinemill.capabilities.streaming.encode_ladder import can_be_copied, copy_stream, make_ladder
from cinemill.core.encoding.rendition import Purpose, read_rendition
from cinemill.core.media import ArtifactKind
from cinemill.errors import MediaRejected
from cinemill.media.encoding.encode import EncodeOutcome, encode
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.steps.source.audio_samples import extract_samples

AUDIBLE = 0.01


def around(processor: Processor, folder: Path | None = None) -> FfmpegSession:
    folder = folder or processor.folder
    folder.mkdir(exist_ok=True)
    return FfmpegSession(processor.ffmpeg_binary, folder, processor.limits, processor.sandbox)


def transcode(processor: Processor, film: Path, **options: object) -> EncodeOutcome:
    folder = film.with_name("rendition")
    return encode(around(processor, folder), film, processor.probe(film), read_rendition(options))


def read_samples(processor: Processor, film: Path) -> np.ndarray:
    """Return what speech models hear, as floats."""
    path = extract_samples(
        around(processor, film.with_name("samples")), film, processor.probe(film), prepared=None
    )
    return np.fromfile(path, "<i2") / 32_768


def measure(samples: np.ndarray, hertz: int) -> float:
    times = np.arange(len(samples)) / 16_000
    return float(np.abs(samples @ np.exp(-2j * np.pi * hertz * times)) * 2 / len(samples))


MANY: dict[str, Callable[[Path], Path]] = {
    "10 discrete": lambda path: sounds.make_discrete(path, 10, {9: 1000}),
    "64 discrete": lambda path: sounds.make_discrete(path, 64, {63: 1000}),
    "5.1.4": lambda path: sounds.make_placed(path, "5.1.4", {9: 1000}),
    "low frequencies": lambda path: sounds.make_placed(path, "2.1", {2: 60}),
    "ambisonic": sounds.make_ambisonic,
}


@pytest.mark.parametrize("make", MANY.values(), ids=MANY.keys())
def test_tone_in_the_last_channel_is_heard_everywhere(
    processor: Processor, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    film = make(tmp_path / "film.mkv")
    hertz = 60 if processor.probe(film).audio[0].channels == 3 else 1000
    processed = processor.process(film)
    for kind in (ArtifactKind.PROXY, ArtifactKind.AUDIO):
        assert sounds.measure_tone(processed.file(kind).path, hertz) > AUDIBLE
    assert any(one.startswith("audio track 1: ") for one in processed.outcome.changes)
    assert processed.facts(ArtifactKind.PROXY)["changes"] == list(processed.outcome.changes)
    rendition = transcode(processor, film, audio="aac")
    assert sounds.measure_tone(rendition.path, hertz) > AUDIBLE
    assert measure(read_samples(processor, film), hertz) > AUDIBLE
    outcome = make_ladder(
        around(processor, tmp_path / "ladder"), film, processor.probe(film), Purpose.MOBILE
    )
    assert sounds.measure_tone(tmp_path / "ladder" / "sound-1.mp4", hertz) > AUDIBLE
    assert any(one.startswith("audio track 1: ") for one in outcome.changes)


def test_tone_in_the_last_channel_is_heard_in_a_render(bench: Bench, tmp_path: Path) -> None:
    film = sounds.make_discrete(tmp_path / "film.mkv", 10, {9: 1000})
    timeline = Timeline((Clip(bench.add(film), Fraction(0), Fraction(1)),))
    path = bench.mix(timeline)
    assert path is not None
    assert sounds.measure_tone(path, 1000) > AUDIBLE


@pytest.mark.parametrize(("layout", "channels"), [("5.1(side)", 6), ("7.1.4", 12), ("", 16)])
def test_full_scale_in_every_channel_does_not_clip(
    processor: Processor, tmp_path: Path, layout: str, channels: int
) -> None:
    film, tones = tmp_path / "film.mkv", dict.fromkeys(range(channels), 500)
    if layout:
        sounds.make_placed(film, layout, tones, level=0.999)
    else:
        sounds.make_discrete(film, channels, tones, level=0.999)
    samples = read_samples(processor, film)
    assert 0.9 < np.max(np.abs(samples)) < 0.9999
    assert measure(samples, 1500) < AUDIBLE  # clipping adds the third harmonic
    audio = processor.process(film).file(ArtifactKind.AUDIO).path
    assert sounds.measure_tone(audio, 1500) < AUDIBLE
    assert sounds.measure_tone(transcode(processor, film, audio="aac").path, 1500) < AUDIBLE


@pytest.fixture(scope="module", params=["ac3", "aac"])
def changing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sounds.make_changing(tmp_path_factory.mktemp("films") / "film.ts", request.param)


def assert_tones(path: Path) -> None:
    """Check that the first, the second and the third second have their tones at their times."""
    for second, hertz in enumerate((440, 880, 440)):
        span = {"start": second + 0.2, "end": second + 0.8}
        assert sounds.measure_tone(path, hertz, **span) > AUDIBLE
        assert sounds.measure_tone(path, 1320 - hertz, **span) < AUDIBLE
    samples, rate = sounds.read_sound(path)
    assert samples.shape[1] / rate == pytest.approx(3, abs=0.15)


def test_channels_that_change_midway_are_no_damage(
    processor: Processor, tmp_path: Path, changing: Path
) -> None:
    processed = processor.process(changing)
    for kind in (ArtifactKind.PROXY, ArtifactKind.AUDIO):
        assert_tones(processed.file(kind).path)
    assert any("change during the video" in one for one in processed.outcome.changes)
    assert set(processor.folder.iterdir()) == {file.path for file in processed.outcome.files}
    info = processor.probe(changing)
    folder = tmp_path / "ladder"
    outcome = make_ladder(around(processor, folder), changing, info, Purpose.MOBILE)
    assert_tones(folder / "sound-1.mp4")
    assert set(folder.iterdir()) == set(outcome.files)


def test_channels_that_change_midway_are_encoded_and_copied(
    processor: Processor, tmp_path: Path, changing: Path
) -> None:
    film = tmp_path / "film.ts"
    film.write_bytes(changing.read_bytes())
    assert_tones(transcode(processor, film, codec="vp9", container="webm").path)
    (tmp_path / "rendition" / "rendition.webm").unlink()
    for container in ("mp4", "mkv"):
        made = transcode(processor, film, container=container)
        # AC-3 says in each frame what it is; an MP4 or MKV says it of AAC only once.
        is_encoded = any("aac to aac" in change for change in made.facts["changes"])
        assert is_encoded == (processor.probe(film).audio[0].codec == "aac")
        if is_encoded:
            assert_tones(made.path)
        made.path.unlink()
    samples = read_samples(processor, film)
    assert measure(samples[17_600:30_000], 880) > AUDIBLE
    assert len(samples) / 16_000 == pytest.approx(3, abs=0.15)


def test_channels_that_change_midway_are_mixed(bench: Bench, changing: Path) -> None:
    clip = Clip(bench.add(changing), Fraction(1, 2), Fraction(3))
    path = bench.mix(Timeline((clip,)))
    assert path is not None
    assert sounds.measure_tone(path, 880, start=0.7, end=1.3) > AUDIBLE
    assert sounds.measure_tone(path, 440, start=1.7, end=2.3) > AUDIBLE


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MPEG-TS, which FFmpeg counts from the earliest stream that is used; audio from 1 s on."""
    film = tmp_path_factory.mktemp("films") / "late.ts"
    tone = ["-itsoffset", "1", "-f", "lavfi", "-i", "sine=frequency=440:duration=2"]
    films.run([*sounds.PICTURE, *tone, *sounds.FAST, "-c:a", "aac", "-t", "3", f"file:{film}"])
    return film


def test_audio_that_begins_late_is_heard_late_by_models(
    processor: Processor, tmp_path: Path, late: Path
) -> None:
    film = tmp_path / "late.ts"
    film.write_bytes(late.read_bytes())
    samples = read_samples(processor, film)
    assert len(samples) / 16_000 == pytest.approx(3, abs=0.1)
    assert measure(samples[:14_000], 440) < AUDIBLE < measure(samples[18_000:], 440)


def test_audio_that_begins_late_is_mixed_late(bench: Bench, late: Path) -> None:
    path = bench.mix(Timeline((Clip(bench.add(late), Fraction(1, 5), Fraction(3)),)))
    assert path is not None
    assert sounds.measure_tone(path, 440, start=0.1, end=0.7) < AUDIBLE
    assert sounds.measure_tone(path, 440, start=0.9, end=1.5) > AUDIBLE


@pytest.fixture(scope="module", params=["mkv", "mp4"])
def crowded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    return sounds.make_cover_and_commentary(folder / f"film.{request.param}")


def test_film_and_its_sound_are_chosen_among_tracks(processor: Processor, crowded: Path) -> None:
    info = processor.probe(crowded)
    assert (info.video.codec, info.video.width) == ("h264", 320)
    assert info.audio[0].roles == ("comment",)
    assert [track.title for track in info.audio] == ['The "director"', "Main"]
    processed = processor.process(crowded)
    assert sounds.measure_tone(processed.file(ArtifactKind.AUDIO).path, 880) > AUDIBLE
    assert sounds.measure_tone(processed.file(ArtifactKind.PROXY).path, 440) < AUDIBLE


def test_playlist_names_tracks_and_begins_with_the_default(
    processor: Processor, crowded: Path
) -> None:
    info = processor.probe(crowded)
    assert can_be_copied(info)
    make_ladder(around(processor), crowded, info, Purpose.MOBILE)
    ladder = (processor.folder / "master.m3u8").read_text()
    for left in processor.folder.iterdir():
        left.unlink()
    copy_stream(around(processor), crowded, info)
    for text in (ladder, (processor.folder / "master.m3u8").read_text()):
        first, second = (line for line in text.splitlines() if "TYPE=AUDIO" in line)
        assert "NAME=\"The 'director'\"" in first
        assert "DEFAULT=NO,AUTOSELECT=NO" in first
        assert 'NAME="Main"' in second
        assert "DEFAULT=YES,AUTOSELECT=YES" in second


@pytest.mark.parametrize(
    ("rate", "change"), [(8_000, ["audio track 1 was encoded from mp3 to aac"]), (44_100, [])]
)
def test_audio_is_copied_where_a_container_takes_it(
    processor: Processor, tmp_path: Path, rate: int, change: list[str]
) -> None:
    """An MP4 holds MP3, but not at a rate of 8 kHz."""
    wav = sounds.make_tones(tmp_path / "tone.wav", 1, {0: 440})
    film = tmp_path / "film.mkv"
    films.run(
        [
            *(*sounds.PICTURE, "-i", f"file:{wav}", *sounds.FAST, "-c:a", "libmp3lame"),
            *("-ar", str(rate), "-t", "1", f"file:{film}"),
        ]
    )
    assert transcode(processor, film).facts["changes"] == change


def test_titles_of_tracks_are_kept(processor: Processor, tmp_path: Path, crowded: Path) -> None:
    film = tmp_path / crowded.name
    film.write_bytes(crowded.read_bytes())
    for container in ("mp4", "mkv"):
        path = transcode(processor, film, container=container).path
        made = processor.probe(path)
        assert [track.title for track in made.audio] == ['The "director"', "Main"]
        assert [track.is_default for track in made.audio] == [False, True]
        path.unlink()


def test_audio_of_too_many_channels_is_left_out_and_said(
    processor: Processor, tmp_path: Path
) -> None:
    info = processor.probe(sounds.make_discrete(tmp_path / "film.mkv", 65, {0: 440}))
    assert info.audio == ()
    assert info.warnings == (
        "the audio of stream 1 was left out: it has 65 channels, more than 64",
    )


def test_sound_is_that_of_the_picture_s_program(processor: Processor, tmp_path: Path) -> None:
    film = sounds.make_programs(tmp_path / "film.ts")
    info = processor.probe(film)
    assert (info.video.index, [track.index for track in info.audio]) == (2, [3])
    assert info.warnings == (
        "the audio of stream 1 was left out: it belongs to another program",
        "the audio of stream 4 was left out: it belongs to another program",
    )
    processed = processor.process(film)
    assert sounds.measure_tone(processed.file(ArtifactKind.PROXY).path, 880) > AUDIBLE
    assert sounds.measure_tone(processed.file(ArtifactKind.PROXY).path, 440) < AUDIBLE


SIX = {"FL": 400, "FR": 700, "FC": 1000, "LFE": 60, "BL": 1300, "BR": 1900}


@pytest.fixture(scope="module")
def split_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sounds.make_mono_tracks(tmp_path_factory.mktemp("films") / "film.mov", SIX)


def test_channels_that_are_tracks_of_their_own_are_one_sound(
    processor: Processor, tmp_path: Path, split_film: Path
) -> None:
    film = tmp_path / "film.mov"
    film.write_bytes(split_film.read_bytes())
    said = "audio track 1: its 6 channels are tracks of their own: all became"
    processed = processor.process(film)
    assert processed.outcome.changes == (f"{said} stereo",)
    assert set(processor.folder.iterdir()) == {file.path for file in processed.outcome.files}
    rendition = transcode(processor, film)
    assert f"{said} 5.1" in rendition.facts["changes"]
    assert [track.channels for track in processor.probe(rendition.path).audio] == [6]
    folder = tmp_path / "ladder"
    ladder = make_ladder(around(processor, folder), film, processor.probe(film), Purpose.MOBILE)
    assert ladder.changes == (f"{said} stereo",)
    assert [stream.filename for stream in ladder.audio_streams] == ["sound-1.mp4"]
    samples = read_samples(processor, film)
    for hertz in SIX.values():
        for kind in (ArtifactKind.PROXY, ArtifactKind.AUDIO):
            assert sounds.measure_tone(processed.file(kind).path, hertz) > AUDIBLE
        assert sounds.measure_tone(rendition.path, hertz) > 0.3
        assert sounds.measure_tone(folder / "sound-1.mp4", hertz) > AUDIBLE
        assert measure(samples, hertz) > AUDIBLE


def test_tracks_of_one_channel_are_copied_where_a_copy_is_asked_for(
    processor: Processor, tmp_path: Path
) -> None:
    film = sounds.make_mono_tracks(tmp_path / "film.mov", {"FL": 440, "FR": 880})
    rendition = transcode(processor, film, container="mkv", audio="aac")
    assert [track.channels for track in processor.probe(rendition.path).audio] == [2]
    rendition.path.unlink()
    silent = transcode(processor, film, audio="none")
    assert processor.probe(silent.path).audio == ()


def test_channels_that_are_tracks_of_their_own_are_mixed(bench: Bench, split_film: Path) -> None:
    path = bench.mix(Timeline((Clip(bench.add(split_film), Fraction(1, 5), Fraction(1)),)))
    assert path is not None
    for hertz in SIX.values():
        assert sounds.measure_tone(path, hertz, start=0.1, end=0.6) > AUDIBLE


def test_damage_in_one_of_several_tracks_of_a_sound_is_no_reason_to_fail_otherwise(
    processor: Processor, tmp_path: Path, split_film: Path
) -> None:
    film = tmp_path / "film.mov"
    content = split_film.read_bytes()
    film.write_bytes(content[: len(content) // 2])
    with pytest.raises(MediaRejected):
        processor.process(film)
    assert not any(processor.folder.iterdir())
