"""Commands are monitored, bounded, and terminated in time."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests import films
from tests.integration.media.conftest import Processor
from tests.processes import find_encoders, processes_of
from tests.waiting import wait_until

from cinemill.errors import CommandFailed, CommandStalled, DiskFull, JobCancelled, ToolMissing
from cinemill.machine import Capacity
from cinemill.media.ffmpeg import process
from cinemill.media.ffmpeg.binary import FfmpegBinary, try_encoder
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.process import FfmpegProgress, FfmpegReport
from cinemill.media.ffmpeg.sandbox import Sandbox, SandboxMode, detect_sandbox
from cinemill.media.ffmpeg.session import FfmpegSession

ENDLESS = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25", "-f", "null", "-"]
SANDBOXES = (pytest.param("walled", marks=pytest.mark.sandbox), "limited", "bare")


@pytest.fixture(params=SANDBOXES)
def any_sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """Return every combination of sandbox programs that a machine may have."""
    if request.param == "walled":
        isolated_sandbox: Sandbox = request.getfixturevalue("isolated_sandbox")
        return isolated_sandbox
    return Sandbox() if request.param == "bare" else detect_sandbox(SandboxMode.OFF)


def run(
    ffmpeg_binary: FfmpegBinary,
    sandbox: Sandbox,
    folder: Path,
    arguments: list[str],
    *,
    limits: Limits | None = None,
    should_stop: Callable[[], Exception | None] = lambda: None,
    on_progress: Callable[[FfmpegProgress], None] = lambda progress: None,
) -> FfmpegReport:
    return FfmpegSession(
        ffmpeg_binary, folder, limits or Limits(), sandbox, should_stop=should_stop
    ).run(arguments, on_progress=on_progress)


def test_session_reports_the_peak_memory_of_each_command(
    ffmpeg_binary: FfmpegBinary, any_sandbox: Sandbox, tmp_path: Path
) -> None:
    peaks: list[int] = []
    session = FfmpegSession(
        ffmpeg_binary, tmp_path, Limits(), any_sandbox, on_peak_memory=peaks.append
    )
    report = session.run(["-t", "0.1", *ENDLESS], on_progress=lambda _: None)
    assert peaks == [report.tally.peak_rss_bytes]
    assert peaks[0] > 1 << 20


def test_cancelling_a_command_kills_the_whole_process_group(
    ffmpeg_binary: FfmpegBinary, any_sandbox: Sandbox, tmp_path: Path
) -> None:
    asked: list[bool] = []

    def should_stop() -> Exception | None:
        asked.append(True)
        return JobCancelled("enough") if len(asked) > 8 else None

    with pytest.raises(JobCancelled):
        run(ffmpeg_binary, any_sandbox, tmp_path, ENDLESS, should_stop=should_stop)
    assert len(asked) == 9  # and not again
    wait_until(lambda: processes_of(tmp_path) == [])


_PARENT = """
import sys
from pathlib import Path
from cinemill.media.ffmpeg.binary import find_ffmpeg
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox, detect_sandbox
from cinemill.media.ffmpeg.session import FfmpegSession
kind, folder, *arguments = sys.argv[1:]
sandbox = {"walled": detect_sandbox, "limited": lambda: detect_sandbox("off"), "bare": Sandbox}
session = FfmpegSession(find_ffmpeg(None), Path(folder), Limits(), sandbox[kind]())
session.run(arguments, on_progress=lambda p: print("alive", flush=True))
"""


@pytest.mark.parametrize("kind", SANDBOXES)
def test_command_does_not_outlive_a_killed_worker(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    if kind == "walled":
        request.getfixturevalue("isolated_sandbox")
    if sys.platform != "linux":
        pytest.skip("the parent-death signal is Linux' own")
    command = [sys.executable, "-c", _PARENT, kind, str(tmp_path), *ENDLESS]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"alive\n"
        assert find_encoders(tmp_path)
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: processes_of(tmp_path) == [])


def test_stalled_command_is_detected(
    ffmpeg_binary: FfmpegBinary, any_sandbox: Sandbox, tmp_path: Path
) -> None:
    """It waits for a pipe that nothing writes to."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    keep_open = os.open(pipe, os.O_RDWR)
    try:
        with pytest.raises(CommandStalled):
            arguments = ["-f", "mpegts", "-i", f"file:{pipe}", "-f", "null", "-"]
            run(ffmpeg_binary, any_sandbox, tmp_path, arguments, limits=Limits(stall_seconds=0.3))
    finally:
        os.close(keep_open)


def test_command_time_is_limited(
    ffmpeg_binary: FfmpegBinary, sandbox: Sandbox, tmp_path: Path
) -> None:
    with pytest.raises(CommandFailed) as failed:
        run(ffmpeg_binary, sandbox, tmp_path, ENDLESS, limits=Limits(wall_seconds=0.5))
    assert failed.value.code == "command_timed_out"


def test_command_output_file_size_is_limited(
    ffmpeg_binary: FfmpegBinary, any_sandbox: Sandbox, tmp_path: Path
) -> None:
    raw = [*ENDLESS[:4], "-t", "60", "-c:v", "rawvideo", "-f", "nut", "out.nut"]
    with pytest.raises(CommandFailed) as failed:
        run(ffmpeg_binary, any_sandbox, tmp_path, raw, limits=Limits(max_output_bytes=2_000_000))
    assert failed.value.code == "output_too_large"
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 2_000_000


def test_command_total_output_size_is_limited(
    ffmpeg_binary: FfmpegBinary, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Eight files of 4.2 MB each, which take four seconds."""
    raw: list[str] = ["-re", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=12"]
    for number in range(8):
        raw += ["-t", "4", "-c:v", "rawvideo", "-f", "nut", f"{number}.nut"]
    with pytest.raises(CommandFailed) as failed:
        run(ffmpeg_binary, sandbox, tmp_path, raw, limits=Limits(max_output_bytes=5_000_000))
    assert failed.value.code == "output_too_large"


def test_command_memory_is_limited(
    ffmpeg_binary: FfmpegBinary, any_sandbox: Sandbox, tmp_path: Path
) -> None:
    """All 466 MB of the frames are kept, until the last one is there."""
    huge = ["-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=25:duration=6", "-vf", "reverse"]
    limits = Limits(memory_bytes=300_000_000)
    with pytest.raises(CommandFailed) as failed:
        run(ffmpeg_binary, any_sandbox, tmp_path, [*huge, "-f", "null", "-"], limits=limits)
    assert failed.value.code in ("out_of_memory", "command_failed")


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a file system of one megabyte."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() != 0 or mount is None or umount is None:
        pytest.skip("mounting a tiny file system takes root")
    folder = tmp_path / "tiny"
    folder.mkdir()
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False
    )
    if done.returncode != 0:
        pytest.skip("this machine forbids mounting")
    yield folder
    subprocess.run([umount, str(folder)], check=True)


def test_full_disk_is_reported_as_disk_full(
    ffmpeg_binary: FfmpegBinary, any_sandbox: Sandbox, tiny_disk: Path
) -> None:
    raw = [*ENDLESS[:4], "-t", "60", "-c:v", "rawvideo", "-f", "nut", "out.nut"]
    with pytest.raises(DiskFull):
        run(ffmpeg_binary, any_sandbox, tiny_disk, raw)


def test_preparing_on_a_full_disk_leaves_an_empty_folder(
    processor: Processor, tmp_path: Path, tiny_disk: Path
) -> None:
    noise = "noise=alls=100:allf=t"
    film = films.make_film(tmp_path / "film.mp4", seconds=1, size=(854, 480), filters=noise)
    work = tiny_disk / "work"
    work.mkdir()
    with pytest.raises(DiskFull):
        type(processor)(processor.ffmpeg_binary, processor.sandbox, work).process(film)
    assert list(work.iterdir()) == []


def test_failed_command_reports_its_last_log_lines(
    ffmpeg_binary: FfmpegBinary, any_sandbox: Sandbox, tmp_path: Path
) -> None:
    with pytest.raises(CommandFailed) as failed:
        run(ffmpeg_binary, any_sandbox, tmp_path, ["-i", "file:/nowhere.mp4", "-f", "null", "-"])
    assert "No such file" in failed.value.log_tail
    assert failed.value.exit_code > 0


def test_sandbox_hides_all_other_files(
    ffmpeg_binary: FfmpegBinary, isolated_sandbox: Sandbox, tmp_path: Path
) -> None:
    secret = films.make_film(tmp_path / "secret.mp4", has_sound=False)
    work = tmp_path / "work"
    work.mkdir()
    for hidden in (str(secret), "/etc/passwd", "/proc/self/environ"):
        with pytest.raises(CommandFailed) as failed:
            run(ffmpeg_binary, isolated_sandbox, work, ["-i", f"file:{hidden}", "-f", "null", "-"])
        assert "No such file" in failed.value.log_tail


def test_sandbox_blocks_the_network(
    ffmpeg_binary: FfmpegBinary, isolated_sandbox: Sandbox, tmp_path: Path
) -> None:
    with pytest.raises(CommandFailed) as failed:
        run(
            ffmpeg_binary,
            isolated_sandbox,
            tmp_path,
            ["-i", "tcp://192.0.2.1:80", "-f", "null", "-"],
        )
    assert "Network is unreachable" in failed.value.log_tail


def test_command_progress_is_reported_while_it_runs(
    ffmpeg_binary: FfmpegBinary, any_sandbox: Sandbox, tmp_path: Path
) -> None:
    blocks: list[FfmpegProgress] = []
    timed = ["-re", *ENDLESS[:4], "-t", "1.5", "-f", "null", "-"]
    report = run(ffmpeg_binary, any_sandbox, tmp_path, timed, on_progress=blocks.append)
    assert len(blocks) >= 3
    assert blocks[-1].is_end
    assert report.tally.cpu_seconds > 0
    assert report.tally.peak_rss_bytes > 1_000_000


def test_required_sandbox_that_is_missing_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolMissing, match="bubblewrap"):
        detect_sandbox(SandboxMode.REQUIRE)
    assert detect_sandbox(SandboxMode.AUTO) == Sandbox()


def test_listed_encoder_is_not_taken_for_usable(ffmpeg_binary: FfmpegBinary) -> None:
    assert try_encoder(ffmpeg_binary, "libx264")
    assert try_encoder(ffmpeg_binary, "aac")
    assert not try_encoder(ffmpeg_binary, "no_such_encoder")


def test_ffmpeg_counts_a_containers_processors(
    ffmpeg_binary: FfmpegBinary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked to, and takes it; FFmpeg's before 5 does not know the option."""
    monkeypatch.setattr(process, "read_capacity", lambda: Capacity(1, 2**30, cpu_limit=0.5))
    arguments = ["-f", "lavfi", "-i", "color=size=64x64:duration=0.2", "-f", "null", "-"]
    run(ffmpeg_binary, Sandbox(), tmp_path, arguments)
    for version, is_known in (("4.4.2-0ubuntu", False), ("n9.0.2-17", True), ("5.1.6-0+deb", True)):
        assert replace(ffmpeg_binary, version=version).takes_cpu_count is is_known


@pytest.mark.parametrize(
    "arguments",
    [
        ["-f", "lavfi", "-i", "sine=d=1", "-c:a", "no-such-encoder", "a.mp4"],
        ["-f", "lavfi", "-i", "testsrc2=d=1:size=64x64", "-c:v", "libx264", "-f", "webm", "a.webm"],
        ["-f", "lavfi", "-i", "testsrc2=d=1:size=64x64", "-vf", "crop=9999:9999", "a.mp4"],
    ],
    ids=["encoder", "codec and container", "filter"],
)
def test_same_failure_in_another_folder_has_the_same_evidence(
    ffmpeg_binary: FfmpegBinary, any_sandbox: Sandbox, tmp_path: Path, arguments: list[str]
) -> None:
    found = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        with pytest.raises(CommandFailed) as failed:
            run(ffmpeg_binary, any_sandbox, folder, arguments)
        found.append(failed.value.evidence)
    assert found[0] == found[1] != ""


def test_killed_command_leaves_no_evidence(
    ffmpeg_binary: FfmpegBinary, any_sandbox: Sandbox, tmp_path: Path
) -> None:
    killed: list[bool] = []

    def kill() -> None:
        for encoder in find_encoders(tmp_path):
            encoder.kill()
            killed.append(True)

    with pytest.raises(CommandFailed) as failed:
        run(
            ffmpeg_binary,
            any_sandbox,
            tmp_path,
            ENDLESS,
            on_progress=lambda _: None if killed else kill(),
        )
    assert failed.value.evidence == ""
