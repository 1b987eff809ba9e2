"""Sound alone: every format, the files that are made of it, and what is wrong with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from tests.audio_files import SUFFIXES, make_sound
from tests.films import make_text_only, run
from tests.sounds import make_tones

from cinemill.capabilities.ingest.prepare import PrepareOutcome
from cinemill.capabilities.ingest.request import PrepareRequest
from cinemill.capabilities.ingest.sound.prepare import prepare_sound
from cinemill.capabilities.streaming.sound_ladder import make_sound_ladder
from cinemill.core.encoding.rendition import read_rendition
from cinemill.core.media import NO_PICTURE, ArtifactKind, MediaInfo
from cinemill.errors import InputRejected, MediaRejected
from cinemill.media.encoding.encode_sound import encode_sound
from cinemill.media.ffmpeg.binary import FfmpegBinary
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.metadata import read_media
from cinemill.media.probe.sniff import sniff_file
from cinemill.media.sound.waveform import HEIGHT_PX, WIDTH_PX, draw_waveform, read_peaks
from cinemill.steps.source.audio_samples import BYTES_PER_SECOND, extract_samples


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a tone of one second in every format."""
    folder = tmp_path_factory.mktemp("sounds")
    for suffix in SUFFIXES:
        make_sound(folder / f"tone.{suffix}")
    for suffix in ("mp3", "m4a", "flac"):
        make_sound(folder / f"cover.{suffix}", with_cover=True)
    return folder


@pytest.fixture
def session(ffmpeg_binary: FfmpegBinary, sandbox: Sandbox, tmp_path: Path) -> FfmpegSession:
    folder = tmp_path / "work"
    folder.mkdir()
    return FfmpegSession(ffmpeg_binary, folder, Limits(), sandbox)


def read(path: Path) -> MediaInfo:
    return read_media(path, sniff_file(path), Limits())


def prepare(session: FfmpegSession, path: Path, *, best_effort: bool = False) -> PrepareOutcome:
    request = PrepareRequest(best_effort=best_effort)
    return prepare_sound(session, path, read(path), request)


@pytest.mark.parametrize(
    "name", [*(f"tone.{suffix}" for suffix in SUFFIXES), "cover.mp3", "cover.m4a", "cover.flac"]
)
def test_sound_is_read_whatever_it_comes_in(sounds: Path, name: str) -> None:
    info = read(sounds / name)
    assert not info.has_picture
    assert info.video is NO_PICTURE
    assert len(info.audio) == 1
    assert info.duration_seconds_from_header == pytest.approx(1, abs=0.12)
    written = info.to_json()
    assert written["video"] is None
    assert MediaInfo.from_json(written) == info


@pytest.mark.parametrize("name", ["song.mkv", "song.mp4", "song.mov", "song.avi", "png.mkv"])
def test_cover_that_is_not_flagged_as_one_is_no_film(
    session: FfmpegSession, tmp_path: Path, name: str
) -> None:
    cover = tmp_path / ("cover.png" if name.startswith("png") else "cover.jpg")
    run(["-f", "lavfi", "-i", "color=red:size=300x300", "-frames:v", "1", str(cover)])
    tone = make_sound(tmp_path / "tone.mp3", seconds=3)
    song = tmp_path / name
    run(["-i", str(tone), "-i", str(cover), "-map", "0", "-map", "1", "-c", "copy", str(song)])
    info = read(song)
    assert info.video is NO_PICTURE
    assert info.duration_seconds_from_header == pytest.approx(3, abs=0.12)
    assert prepare(session, song).decoded_seconds == pytest.approx(3, abs=0.12)


def test_picture_that_lasts_as_long_as_the_sound_is_a_film(tmp_path: Path) -> None:
    film = tmp_path / "film.mkv"
    picture = ["-f", "lavfi", "-i", "testsrc2=size=64x64:rate=2:duration=3", "-c:v", "mjpeg"]
    run(["-f", "lavfi", "-i", "sine=d=3", *picture, "-c:a", "aac", str(film)])
    assert read(film).has_picture


@pytest.mark.parametrize("name", ["tone.mp3", "cover.m4a", "tone.ts"])
def test_preview_copy_waveform_and_audio_are_made(
    session: FfmpegSession, sounds: Path, name: str
) -> None:
    outcome = prepare(session, sounds / name)
    files = {one.kind: one for one in outcome.files}
    assert set(files) == {ArtifactKind.PROXY, ArtifactKind.AUDIO, ArtifactKind.WAVEFORM}
    assert outcome.decoded_seconds == pytest.approx(1, abs=0.05)
    proxy = files[ArtifactKind.PROXY]
    assert (proxy.media_type, proxy.path.suffix) == ("audio/mp4", ".m4a")
    assert proxy.facts["duration_seconds"] == pytest.approx(outcome.decoded_seconds, abs=0.05)
    with av.open(str(files[ArtifactKind.WAVEFORM].path)) as picture:
        frame = next(picture.decode(video=0))
    assert (frame.width, frame.height) == (WIDTH_PX, HEIGHT_PX)


def test_waveform_shows_when_it_is_loud(ffmpeg_binary: FfmpegBinary, tmp_path: Path) -> None:
    volume = "volume='if(lt(t,1),0,0.9*8)':eval=frame,aresample=16000"
    sound = tmp_path / "late.flac"
    run(["-f", "lavfi", "-i", f"sine=d=2,{volume}", "-sample_fmt", "s16", str(sound)])
    draw_waveform(sound, 32_000, tmp_path / "late.png")
    with av.open(str(tmp_path / "late.png")) as picture:
        alpha = next(picture.decode(video=0)).to_ndarray(format="rgba")[:, :, 3]
    heights = np.count_nonzero(alpha, axis=0)
    assert set(heights[:590]) == {2}
    assert heights[620:].min() > 0.8 * HEIGHT_PX


@pytest.mark.parametrize("samples", [160, 700, 16_000])
def test_waveform_of_a_short_sound_has_no_holes(tmp_path: Path, samples: int) -> None:
    sound = tmp_path / "short.flac"
    trim = f"sine=d=2:sample_rate=16000,volume=8,atrim=end_sample={samples}"
    run(["-f", "lavfi", "-i", trim, "-sample_fmt", "s16", str(sound)])
    assert (
        read_peaks(sound, samples, WIDTH_PX)[: WIDTH_PX * 9 // 10].reshape(90, -1).max(1).min() > 0
    )


@pytest.mark.parametrize(
    "suffix", ["wav", "flac", "aiff", "mp3", "ogg", "m4a", "mka", "wma", "w64"]
)
def test_truncated_sound_is_refused(
    session: FfmpegSession, sounds: Path, tmp_path: Path, suffix: str
) -> None:
    whole = (sounds / f"tone.{suffix}").read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(whole[: len(whole) * 6 // 10])
    with pytest.raises(MediaRejected) as refused:
        prepare(session, cut)
    assert refused.value.code in ("media_truncated", "media_damaged")
    assert not list(session.folder.iterdir())


def test_best_effort_makes_what_can_be_heard(
    session: FfmpegSession, sounds: Path, tmp_path: Path
) -> None:
    whole = (sounds / "tone.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) * 6 // 10])
    outcome = prepare(session, tmp_path / "cut.flac", best_effort=True)
    assert outcome.flaw == "media_truncated"
    assert 0.3 < outcome.decoded_seconds < 0.9


def test_main_track_may_end_before_another(session: FfmpegSession, tmp_path: Path) -> None:
    inputs = ["-f", "lavfi", "-i", "sine=d=1", "-f", "lavfi", "-i", "sine=d=2"]
    path = tmp_path / "two.m4a"
    run([*inputs, "-map", "0", "-map", "1", "-c:a", "aac", str(path)])
    assert prepare(session, path).decoded_seconds == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_what_an_mp3_encoder_added_is_not_missing(
    session: FfmpegSession, tmp_path: Path, rate: int
) -> None:
    path = tmp_path / "low.mp3"
    run(["-f", "lavfi", "-i", "sine=d=1", "-ar", str(rate), str(path)])
    assert read(path).duration_seconds_from_header == pytest.approx(1, abs=0.01)
    assert prepare(session, path).decoded_seconds == pytest.approx(1, abs=0.01)


def test_sound_that_was_written_into_a_pipe_is_whole(
    session: FfmpegSession, tmp_path: Path
) -> None:
    path = make_sound(tmp_path / "tone.wav")
    written = bytearray(path.read_bytes())
    at = written.index(b"data")
    written[4:8] = written[at + 4 : at + 8] = b"\xff" * 4
    path.write_bytes(written)
    assert prepare(session, path).decoded_seconds == pytest.approx(1, abs=0.01)


def test_last_packet_of_a_copy_is_counted(session: FfmpegSession, tmp_path: Path) -> None:
    """A Matroska file does not state its length, which is half a second here."""
    path = tmp_path / "low.m4a"
    run(["-f", "lavfi", "-i", "sine=d=1.4", "-ar", "8000", "-c:a", "alac", str(path)])
    made = encode_sound(session, path, read(path), read_rendition({"container": "mkv"}))
    assert made.facts["codec"] == "alac"
    assert made.facts["duration_seconds"] == pytest.approx(1.4, abs=0.01)


def test_audio_that_a_container_does_not_take_after_all_is_encoded(
    session: FfmpegSession, tmp_path: Path
) -> None:
    """AAC of two blocks a frame with a checksum is AAC, and no MP4 takes it."""
    bare = make_sound(tmp_path / "bare.aac").read_bytes()
    frames, at = [], 0
    while at < len(bare):
        size = (bare[at + 3] & 3) << 11 | bare[at + 4] << 3 | bare[at + 5] >> 5
        head = bytearray(bare[at : at + 7])
        head[1] &= 0xFE
        head[6] |= 1
        head[3] = head[3] & 0xFC | (size + 2) >> 11
        head[4] = (size + 2) >> 3 & 0xFF
        head[5] = head[5] & 0x1F | (size + 2 & 7) << 5
        frames.append(bytes(head) + b"\0\0" + bare[at + 7 : at + size])
        at += size
    path = tmp_path / "checked.aac"
    path.write_bytes(b"".join(frames))
    made = encode_sound(session, path, read(path), read_rendition({}))
    assert made.facts["changes"] == ["audio track 1 was encoded from aac to aac"]


@pytest.mark.parametrize(("suffix", "lead"), [("mp3", 0), ("mp3", 1000), ("aac", 0), ("aac", 500)])
def test_sound_that_begins_within_a_frame_is_read(
    session: FfmpegSession, sounds: Path, tmp_path: Path, suffix: str, lead: int
) -> None:
    """A recorded stream, and one after some padding."""
    path = tmp_path / f"late.{suffix}"
    path.write_bytes(bytes(lead) + (sounds / f"tone.{suffix}").read_bytes()[300:])
    assert prepare(session, path).decoded_seconds == pytest.approx(1, abs=0.12)


@pytest.fixture
def podcast(tmp_path: Path) -> Path:
    """Return three MP3 files in one, as ``cat`` writes them, each with its tags."""
    tone = make_sound(tmp_path / "tone.mp3")
    tagged = tmp_path / "tagged.mp3"
    run(
        ["-i", str(tone), "-c", "copy", "-metadata", "title=News", "-write_id3v1", "1", str(tagged)]
    )
    path = tmp_path / "podcast.mp3"
    path.write_bytes(tagged.read_bytes() * 2 + tone.read_bytes())
    return path


def test_tags_in_the_middle_of_joined_files_are_no_damage(
    session: FfmpegSession, podcast: Path
) -> None:
    assert prepare(session, podcast).decoded_seconds == pytest.approx(3, abs=0.2)
    for left in session.folder.iterdir():
        left.unlink()
    made = encode_sound(session, podcast, read(podcast), read_rendition({"audio": "aac"}))
    assert made.facts["duration_seconds"] == pytest.approx(3, abs=0.2)
    for left in session.folder.iterdir():
        left.unlink()
    assert not make_sound_ladder(session, podcast, read(podcast)).flaw
    samples = extract_samples(session, podcast, read(podcast), prepared=None)
    assert samples.stat().st_size / BYTES_PER_SECOND == pytest.approx(3, abs=0.2)


def test_damage_in_joined_files_is_found_all_the_same(
    session: FfmpegSession, podcast: Path
) -> None:
    content = bytearray(podcast.read_bytes())
    for at in range(1500, len(content) // 4, 900):
        content[at : at + 450] = b"\x55" * 450
    podcast.write_bytes(content)
    with pytest.raises(MediaRejected) as refused:
        prepare(session, podcast)
    assert refused.value.code in ("media_damaged", "media_truncated")


def test_length_is_measured_before_it_is_refused(tmp_path: Path) -> None:
    """The first frames have 32 kbit/s, by which FFmpeg guesses that all have."""
    path = tmp_path / "talk.mp3"
    parts = [tmp_path / "low.mp3", tmp_path / "high.mp3"]
    for part, rate, seconds in zip(parts, ("32k", "320k"), (3, 9), strict=True):
        tone = ["-f", "lavfi", "-i", f"sine=d={seconds}", "-ar", "44100", "-b:a", rate]
        run([*tone, "-write_xing", "0", "-id3v2_version", "0", str(part)])
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    limits = replace(Limits(), max_duration_seconds=20)
    info = read_media(path, sniff_file(path), limits)
    assert info.duration_seconds_from_header == pytest.approx(12, abs=0.2)
    with pytest.raises(MediaRejected) as refused:
        read_media(path, sniff_file(path), replace(limits, max_duration_seconds=5))
    assert refused.value.code == "media_too_long"


def test_sound_of_too_many_channels_is_refused_for_that(tmp_path: Path) -> None:
    path = make_tones(tmp_path / "many.wav", 65, {0: 440})
    with pytest.raises(MediaRejected) as refused:
        read(path)
    assert refused.value.code == "media_too_many_channels"


def test_file_without_picture_and_sound_is_refused(tmp_path: Path) -> None:
    path = make_text_only(tmp_path / "text.mp4")
    with pytest.raises(MediaRejected) as refused:
        read(path)
    assert refused.value.code == "media_no_streams"


@pytest.mark.parametrize(
    ("name", "options", "filename", "codec"),
    [
        ("tone.mp3", {}, "rendition.m4a", "mp3"),
        ("tone.wav", {}, "rendition.m4a", "aac"),
        ("tone.wav", {"container": "webm", "codec": "vp9"}, "rendition.webm", "opus"),
        ("tone.flac", {"container": "mkv"}, "rendition.mka", "flac"),
        ("tone.flac", {"audio": "aac", "preset": "mobile"}, "rendition.m4a", "aac"),
    ],
)
def test_rendition_of_sound(
    session: FfmpegSession,
    sounds: Path,
    name: str,
    options: dict[str, object],
    filename: str,
    codec: str,
) -> None:
    made = encode_sound(session, sounds / name, read(sounds / name), read_rendition(options))
    assert made.path.name == filename
    assert made.media_type.startswith("audio/")
    assert made.facts["codec"] == codec
    assert made.facts["duration_seconds"] == pytest.approx(1, abs=0.05)


def test_options_of_pictures_are_left_out_and_said(session: FfmpegSession, sounds: Path) -> None:
    path = sounds / "tone.wav"
    request = read_rendition({"height": 720, "crf": 20})
    changes = encode_sound(session, path, read(path), request).facts["changes"]
    assert changes[0] == "height, crf: left out, for the file is sound alone"


def test_rendition_without_audio_would_be_empty(session: FfmpegSession, sounds: Path) -> None:
    path = sounds / "tone.wav"
    with pytest.raises(InputRejected) as refused:
        encode_sound(session, path, read(path), read_rendition({"audio": "none"}))
    assert refused.value.code == "combination_impossible"


def test_ladder_of_sound(session: FfmpegSession, sounds: Path) -> None:
    path = sounds / "tone.flac"
    outcome = make_sound_ladder(session, path, read(path))
    names = {one.name for one in outcome.files}
    assert {"master.m3u8", "manifest.mpd", "sound-1-64k.mp4", "sound-1-64k.m3u8"} <= names
    assert [one.seconds for one in outcome.audio_streams] == [pytest.approx(1, abs=0.05)] * len(
        outcome.audio_streams
    )
    with av.open(str(session.folder / "master.m3u8"), format="hls") as played:
        stream = played.streams.audio[0]
        seconds = sum(frame.samples for frame in played.decode(stream)) / stream.rate
    assert seconds == pytest.approx(1, abs=0.05)
