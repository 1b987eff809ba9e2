"""Videos that end early, have no frames or exceed limits: stated errors, no process left."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests import films

from cinemill.core.frames import Frame
from cinemill.errors import (
    CinemillError,
    CommandFailed,
    CommandStalled,
    JobCancelled,
    MediaRejected,
)
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.frames import process as decoding
from cinemill.media.frames.exact import read_every_frame, read_frames
from cinemill.media.frames.index import read_index

LIMITS = Limits()
FASTSTART = ("-movflags", "faststart")


def read_until_error(frames: Iterator[Frame]) -> tuple[list[Frame], CinemillError]:
    """Return the frames that came, and the error that followed."""
    found: list[Frame] = []
    with pytest.raises(CinemillError) as failed:
        found.extend(frames)
    return found, failed.value


def read_small(path: Path, limits: Limits = LIMITS) -> Iterator[Frame]:
    return read_every_frame(path, limits=limits, width=48, height=27)


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.ts", "film.avi"])
def test_truncated_video_gives_its_frames_and_then_the_error(tmp_path: Path, name: str) -> None:
    extra = FASTSTART if name.endswith("mp4") else ()
    whole = films.make_film(tmp_path / f"whole-{name}", seconds=4, has_sound=False, extra=extra)
    film = films.truncate(whole, tmp_path / name, 0.5)
    found: list[Frame] = []
    with pytest.raises(MediaRejected) as cut:
        for frame in read_small(film):
            found.append(frame)
    assert cut.value.code == "media_truncated"
    assert 20 <= len(found) <= 80
    index = read_index(film, LIMITS)
    assert index.is_cut_off
    assert abs(len(index) - len(found)) <= 3


def test_missing_frame_of_a_truncated_video_is_an_error_after_the_others(tmp_path: Path) -> None:
    whole = films.make_film(tmp_path / "whole.mp4", seconds=4, has_sound=False, extra=FASTSTART)
    index = read_index(whole, LIMITS)
    film = films.truncate(whole, tmp_path / "film.mp4", 0.5)
    cut = dataclasses.replace(index, is_cut_off=True)
    pts = [int(index.pts[n]) for n in (0, 10, 95)]
    found: list[int] = []
    with pytest.raises(MediaRejected) as missing:
        for frame in read_frames(film, cut, pts, limits=LIMITS, max_width=100, max_pixels=10**6):
            found.append(frame.pts)
    assert missing.value.code == "media_truncated"
    assert found == pts[:2]


def test_damaged_frame_is_an_error_and_never_another_frame(tmp_path: Path) -> None:
    film = films.make_film(tmp_path / "film.mkv", seconds=2, has_sound=False, extra=["-g", "10"])
    index = read_index(film, LIMITS)
    content = bytearray(film.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = os.urandom(3000)
    film.write_bytes(content)
    pts = [int(time) for time in index.pts]
    found: list[int] = []
    with pytest.raises(MediaRejected) as damaged:
        for frame in read_frames(film, index, pts, limits=LIMITS, max_width=100, max_pixels=10**6):
            found.append(frame.pts)
    assert damaged.value.code == "media_damaged"
    assert 0 < len(found) < len(pts)
    assert found == sorted(set(found) & set(pts))


def make_cover_art_only(path: Path) -> Path:
    """Create audio with a picture attached."""
    cover = path.with_name("cover.png")
    films.run(["-f", "lavfi", "-i", "testsrc2=size=64x64:duration=1", "-frames:v", "1", str(cover)])
    sound = [
        "-f",
        "lavfi",
        "-i",
        "sine=duration=1",
        "-i",
        f"file:{cover}",
        "-map",
        "0",
        "-map",
        "1",
    ]
    films.run([*sound, "-c:a", "aac", "-c:v", "copy", "-disposition:v", "attached_pic", str(path)])
    return path


def make_frameless(path: Path) -> Path:
    """Create a video track of one frame, and take the frame's bytes away."""
    film = films.make_film(path, seconds=0.04, has_sound=False, extra=FASTSTART)
    content = film.read_bytes()
    at = content.index(b"mdat")
    film.write_bytes(content[: at + 4] + bytes(len(content) - at - 4))
    return film


def test_video_without_video_frames_is_rejected(tmp_path: Path) -> None:
    cases = {
        films.make_sound_only(tmp_path / "sound.m4a"): "media_no_video",
        make_cover_art_only(tmp_path / "cover.m4a"): "media_no_video",
        make_frameless(tmp_path / "none.mp4"): "media_damaged",
    }
    for film, code in cases.items():
        for read in (
            lambda film=film: list(read_small(film)),
            lambda film=film: read_index(film, LIMITS),
        ):
            with pytest.raises(MediaRejected) as rejected:
                read()
            assert (film.name, rejected.value.code) == (film.name, code)


def test_frames_over_the_limits_are_rejected(tmp_path: Path) -> None:
    bomb = films.make_bomb(tmp_path / "bomb.mkv", side=7000)
    film = films.make_film(tmp_path / "film.mp4", has_sound=False)
    short = dataclasses.replace(LIMITS, max_duration_seconds=0.5)
    small = dataclasses.replace(LIMITS, memory_bytes=24 * 1024**2)
    for read, code in (
        (lambda: list(read_small(bomb)), "media_too_many_pixels"),
        (lambda: read_index(film, short), "media_too_long"),
    ):
        with pytest.raises(MediaRejected) as rejected:
            read()
        assert rejected.value.code == code
    with pytest.raises(CommandFailed):
        list(read_small(film, small))


def test_decoding_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    film = films.make_film(tmp_path / "film.mp4", has_sound=False)
    with pytest.raises(CommandStalled):
        list(read_small(film, dataclasses.replace(LIMITS, stall_seconds=0)))
    with pytest.raises(CommandFailed) as late:
        list(read_small(film, dataclasses.replace(LIMITS, wall_seconds=0)))
    assert late.value.code == "command_timed_out"


def decoding_processes() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "cinemill.media.frames.child" in process.cmdline():
                found.append(process)
        except psutil.NoSuchProcess:  # or it has ended, and another test's caller will reap it
            continue
    return found


def test_request_to_stop_ends_decoding(tmp_path: Path) -> None:
    film = films.make_film(tmp_path / "film.mp4", has_sound=False)
    with pytest.raises(JobCancelled):
        list(
            read_every_frame(
                film,
                limits=LIMITS,
                width=48,
                height=27,
                should_stop=lambda: JobCancelled("stopped"),
            )
        )
    assert decoding_processes() == []


def test_reader_that_goes_away_leaves_no_process(tmp_path: Path) -> None:
    film = films.make_film(tmp_path / "film.mp4", seconds=20, has_sound=False)
    frames = read_every_frame(film, limits=LIMITS, width=480, height=270)
    next(frames)
    assert decoding_processes()
    frames.close()  # type: ignore[attr-defined]
    assert decoding_processes() == []


def test_killed_process_is_a_failure_that_may_be_retried(tmp_path: Path) -> None:
    film = films.make_film(tmp_path / "film.mp4", seconds=20, has_sound=False)
    frames = read_every_frame(film, limits=LIMITS, width=480, height=270)
    next(frames)
    for process in decoding_processes():
        with contextlib.suppress(psutil.NoSuchProcess):  # it died with the sandbox around it
            process.send_signal(signal.SIGKILL)
    _, failed = read_until_error(frames)
    assert isinstance(failed, CommandFailed)
    assert failed.is_retryable


def start_sleeper(*_: object) -> subprocess.Popen[bytes]:
    """Start a process that closes its output and goes on, as a file that took it over might."""
    code = "import os, time; os.close(1); time.sleep(20)"
    return subprocess.Popen(
        [sys.executable, "-I", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def test_process_that_closes_its_output_and_stays_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = films.make_film(tmp_path / "film.mp4", has_sound=False)
    started: list[subprocess.Popen[bytes]] = []

    def start(*_: object) -> subprocess.Popen[bytes]:
        started.append(start_sleeper())
        return started[-1]

    monkeypatch.setattr(decoding, "_start", start)
    with pytest.raises(CommandStalled):
        list(read_small(film, dataclasses.replace(LIMITS, stall_seconds=1)))
    with pytest.raises(CommandFailed) as late:
        list(read_small(film, dataclasses.replace(LIMITS, wall_seconds=1)))
    assert late.value.code == "command_timed_out"
    assert [process.poll() for process in started] == [-signal.SIGKILL] * 2


def test_request_to_stop_is_followed_after_the_output_was_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = films.make_film(tmp_path / "film.mp4", has_sound=False)
    monkeypatch.setattr(decoding, "_start", start_sleeper)
    asked: list[None] = []

    def stop() -> Exception | None:
        asked.append(None)
        return JobCancelled("stopped") if len(asked) > 20 else None

    with pytest.raises(JobCancelled):
        list(read_every_frame(film, limits=LIMITS, width=48, height=27, should_stop=stop))


def make_unconvertible(path: Path) -> Path:
    """Create a video in a pixel format that is read but cannot be converted to RGB."""
    codec = ("-c:v", "rawvideo", "-pix_fmt", "yuv420p")
    film = films.make_film(path, size=(64, 48), has_sound=False, codec=codec)
    content = film.read_bytes()
    assert content.count(b"I420") == 1
    film.write_bytes(content.replace(b"I420", b"BGR\x04"))
    return film


def test_frames_that_cannot_be_converted_are_the_files_fault(tmp_path: Path) -> None:
    film = make_unconvertible(tmp_path / "film.mkv")
    index = read_index(film, LIMITS)
    pts = [int(index.pts[0])]
    for frames in (
        read_small(film),
        read_frames(film, index, pts, limits=LIMITS, max_width=100, max_pixels=10**6),
    ):
        with pytest.raises(MediaRejected) as damaged:
            list(frames)
        assert damaged.value.code == "media_damaged"
