"""Encoder forensics on videos that real encoders made: once, twice, cut and joined."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.encodings import ENCODERS, cut, encode, join, make_source
from tests.films import make_edit_list, make_film, make_sound_only, remux, run, truncate
from tests.waiting import wait_until

from cinemill.core.media import MediaInfo, SourceFormat
from cinemill.core.origin.forensics import (
    FindingCode,
    FindingStrength,
    ForensicsFinding,
    ForensicsReport,
    ForensicsState,
)
from cinemill.errors import JobCancelled
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox, detect_sandbox
from cinemill.media.forensics.examine import examine_file
from cinemill.media.forensics.read import examine_encoding
from cinemill.media.probe.metadata import read_media

MP4 = SourceFormat.MP4
FIRST = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "30", "-g", "12", "-sc_threshold", "0")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_source(tmp_path_factory.mktemp("films") / "waves.mkv", "waves", frames=200)


@pytest.fixture(scope="module")
def once(source: Path) -> Path:
    return encode(source, source.with_name("once.mp4"), *ENCODERS["x264 medium"])


def examine(path: Path, container_format: SourceFormat = MP4) -> ForensicsReport:
    return examine_file(path, container_format, stream_index=0, cpu_seconds=60)


def find(report: ForensicsReport, code: FindingCode) -> list[ForensicsFinding]:
    return [finding for finding in report.findings if finding.code is code]


def beyond_notes(report: ForensicsReport) -> list[FindingCode]:
    return [one.code for one in report.findings if one.strength is not FindingStrength.NOTE]


@pytest.mark.parametrize("name", ENCODERS)
def test_video_that_was_encoded_once_shows_nothing(source: Path, tmp_path: Path, name: str) -> None:
    report = examine(encode(source, tmp_path / "once.mp4", *ENCODERS[name]))
    assert report.state is ForensicsState.EXAMINED
    assert (report.frames, report.is_whole) == (200, True)
    assert beyond_notes(report) == []


def test_encoder_is_named_by_its_own_account(once: Path) -> None:
    (finding,) = find(examine(once), FindingCode.ENCODER_NAMED)
    assert str(finding.facts["encoder"]).startswith("x264 ")
    assert "Lavf" in str(finding.facts["program"])


@pytest.mark.parametrize("name", ["x264 medium", "x264 without B-frames"])
def test_video_that_was_encoded_again_shows_the_first_key_frames(
    source: Path, tmp_path: Path, name: str
) -> None:
    first = encode(source, tmp_path / "first.mp4", *FIRST)
    report = examine(encode(first, tmp_path / "second.mp4", *ENCODERS[name]))
    (finding,) = find(report, FindingCode.ENCODED_AGAIN)
    assert finding.facts["beat_frames"] in {12, 24}


def list_joins(source: Path, folder: Path) -> Iterator[Path]:
    codec = ENCODERS["x264 medium"]
    whole = encode(source, folder / "whole.mp4", *codec, "-g", "50")
    parts = [cut(whole, folder / f"part{at}.mp4", at, 3.9) for at in (0, 6)]
    other = encode(source, folder / "other.mp4", *codec)
    yield join([parts[0], other], folder / "joined.mp4")


def test_join_of_two_encodings_is_found_at_its_time(source: Path, tmp_path: Path) -> None:
    for path in list_joins(source, tmp_path):
        joins = find(examine(path), FindingCode.JOINED)
        assert joins, examine(path).findings
        assert any(one.strength is FindingStrength.STRONG for one in joins)
        assert all(one.time_ms and 3700 <= one.time_ms <= 4200 for one in joins)


def test_join_of_other_settings_changes_the_structure(source: Path, tmp_path: Path) -> None:
    with_b = encode(source, tmp_path / "with.ts", *ENCODERS["x264 medium"])
    without = encode(source, tmp_path / "without.ts", *ENCODERS["x264 without B-frames"])
    joined = tmp_path / "joined.ts"
    joined.write_bytes(with_b.read_bytes() + without.read_bytes())
    report = examine(joined, SourceFormat.MPEG_TS)
    assert find(report, FindingCode.CONFIGURATION_CHANGES)


def test_trimmed_copy_hides_frames(tmp_path: Path) -> None:
    report = examine(make_edit_list(tmp_path / "trimmed.mp4"))
    assert find(report, FindingCode.FRAMES_HIDDEN)


def test_speed_that_was_changed_without_encoding_is_found(once: Path, tmp_path: Path) -> None:
    raw = remux(once, tmp_path / "raw.h264")
    fast = tmp_path / "fast.mp4"
    run(["-r", "50", "-i", f"file:{raw}", "-c", "copy", f"file:{fast}"])
    (finding,) = find(examine(fast), FindingCode.RATE_DIFFERS)
    assert finding.facts == {"stated": 25.0, "measured": 50.0}


def test_camera_file_that_a_program_wrote_is_not_original(once: Path, tmp_path: Path) -> None:
    tags = ["-movflags", "use_metadata_tags", "-metadata", "com.apple.quicktime.make=Apple"]
    tags += ["-metadata", "com.apple.quicktime.model=iPhone 17"]
    report = examine(remux(once, tmp_path / "tagged.mov", *tags))
    (finding,) = find(report, FindingCode.REWRITTEN)
    assert finding.facts["camera"] == "Apple iPhone 17"


@pytest.mark.parametrize(
    ("name", "container_format"),
    [
        ("film.mkv", SourceFormat.MATROSKA),
        ("film.ts", SourceFormat.MPEG_TS),
        ("film.avi", SourceFormat.AVI),
        ("film.flv", SourceFormat.FLV),
        ("film.mov", SourceFormat.MP4),
    ],
)
def test_other_containers_of_the_same_packets_show_nothing_either(
    once: Path, tmp_path: Path, name: str, container_format: SourceFormat
) -> None:
    report = examine(remux(once, tmp_path / name), container_format)
    assert report.frames == 200
    assert beyond_notes(report) == []


def probe_here(path: Path) -> MediaInfo:
    return read_media(path, MP4, Limits())


def test_child_returns_the_same_findings(once: Path) -> None:
    report = examine_encoding(once, probe_here(once), sandbox=detect_sandbox())
    assert report == examine(once)


def test_child_behind_the_sandbox_reads_the_file_alone(
    once: Path, isolated_sandbox: Sandbox
) -> None:
    report = examine_encoding(once, probe_here(once), sandbox=isolated_sandbox)
    assert report.state is ForensicsState.EXAMINED


def test_truncated_and_garbled_videos_have_an_outcome(once: Path, tmp_path: Path) -> None:
    info, sandbox = probe_here(once), detect_sandbox()
    half = truncate(
        remux(once, tmp_path / "fast.mp4", "-movflags", "+faststart"), tmp_path / "half.mp4", 0.5
    )
    assert examine_encoding(half, info, sandbox=sandbox).frames < 200
    garbled = tmp_path / "garbled.mp4"
    garbled.write_bytes(once.read_bytes()[:2000] + b"\xff" * 20_000)
    assert examine_encoding(garbled, info, sandbox=sandbox).state is ForensicsState.FAILED


def test_audio_is_unsupported(tmp_path: Path) -> None:
    sound = make_sound_only(tmp_path / "sound.m4a")
    info = read_media(sound, MP4, Limits())
    report = examine_encoding(sound, info, sandbox=detect_sandbox())
    assert report.state is ForensicsState.UNSUPPORTED


def test_examining_stops_when_the_step_must_stop(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4")
    info, sandbox = probe_here(film), detect_sandbox()
    for number in range(60):  # while the sandbox starts, a little later each time

        def stop(seconds: float = number / 4000) -> JobCancelled:
            time.sleep(seconds)
            return JobCancelled("cancelled")

        with pytest.raises(JobCancelled):
            examine_encoding(film, info, sandbox=sandbox, should_stop=stop)
    wait_until(lambda: not find_users(film))


def find_users(film: Path) -> list[int]:
    """Return processes whose command names the film, as that of a sandbox does."""
    commands = psutil.process_iter(["pid", "cmdline"])
    return [one.pid for one in commands if str(film) in (one.info["cmdline"] or [])]


def enlarge_sample(film: Path, path: Path, number: int) -> Path:
    """Copy an MP4 of one track, with a size for one sample that nobody can read."""
    content = bytearray(film.read_bytes())
    entry = content.index(b"stsz") + 16 + 4 * number
    content[entry : entry + 4] = b"\x30\x00\x00\x00"
    path.write_bytes(content)
    return path


def test_what_was_read_before_an_error_in_the_middle_is_examined(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", seconds=4, has_sound=False)
    info = probe_here(film)
    damaged = enlarge_sample(film, tmp_path / "damaged.mp4", 60)
    report = examine_encoding(damaged, info, sandbox=detect_sandbox())
    assert report.state is ForensicsState.EXAMINED
    assert report.frames == 60
    assert not report.is_whole
    assert "What comes after 2 s." in report.not_examined
    unreadable = enlarge_sample(film, tmp_path / "unreadable.mp4", 0)
    report = examine_encoding(unreadable, info, sandbox=detect_sandbox())
    assert report.state is ForensicsState.FAILED
