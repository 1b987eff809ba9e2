"""The test suite itself: processes found by folder, skips in one line, no wall times."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import describe_skips
from tests.processes import find_encoders, is_alive, processes_of
from tests.waiting import wait_until

TESTS = Path(__file__).parents[1]
WALL_TIMES = re.compile(r"assert .*(monotonic|perf_counter|time\.time)\(\) - \w+ *<")
SLEEPER = "import time; print(flush=True); time.sleep(600)"

StartSleeper = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start_sleeper() -> Iterator[StartSleeper]:
    """Start a process that does nothing, in this folder and with these arguments."""
    started: list[subprocess.Popen[bytes]] = []

    def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", SLEEPER, *arguments]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_process_is_found_by_the_folder_that_it_works_in(
    start_sleeper: StartSleeper, tmp_path: Path
) -> None:
    folder = tmp_path / "work" / "below"
    folder.mkdir(parents=True)
    process = start_sleeper(folder)
    assert [one.pid for one in processes_of(tmp_path / "work")] == [process.pid]
    assert find_encoders(tmp_path / "work") == []


def test_process_is_found_by_its_arguments(start_sleeper: StartSleeper, tmp_path: Path) -> None:
    process = start_sleeper(Path("/"), f"file:{tmp_path}/work/film.mp4")
    assert [one.pid for one in processes_of(tmp_path / "work")] == [process.pid]


def test_folder_with_a_longer_name_is_another(start_sleeper: StartSleeper, tmp_path: Path) -> None:
    (tmp_path / "work10").mkdir()
    start_sleeper(tmp_path / "work10", str(tmp_path / "work-2"))
    assert processes_of(tmp_path / "work1") == []
    assert processes_of(tmp_path / "work") == []


def test_ended_process_is_not_alive_before_it_is_reaped(
    start_sleeper: StartSleeper, tmp_path: Path
) -> None:
    process = start_sleeper(tmp_path)
    (found,) = processes_of(tmp_path)
    process.kill()
    wait_until(lambda: not is_alive(found))
    assert processes_of(tmp_path) == []


def test_wait_reports_what_did_not_happen() -> None:
    with pytest.raises(AssertionError, match=r"within 0\.1 s"):
        wait_until(lambda: False, seconds=0.1)


def skip(marker: str, reason: str) -> pytest.TestReport:
    where = ("tests/test_it.py", 1, f"Skipped: {reason}")
    return pytest.TestReport(
        "tests/test_it.py::test_it", where, {marker: 1}, "skipped", where, "setup"
    )


def test_skips_are_reported_in_one_line_with_the_command_that_ends_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "dnf").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    reports = [skip("browser", "no Chromium")] * 3 + [skip("sandbox", "no walls")]
    line = "skipped 3 browser tests and 1 sandbox test: dnf install chromium bubblewrap"
    assert describe_skips(reports) == line
    more = [*reports, skip("faults", "only root may mount"), skip("unit", "only root may mount")]
    assert describe_skips(more) == f"{line}; and 2 others: only root may mount"


def test_no_command_is_offered_for_a_sandbox_that_is_there_and_forbidden(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bwrap").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert describe_skips([skip("sandbox", "refused")]) == "skipped 1 sandbox test"


def test_no_test_compares_wall_times() -> None:
    """A busy machine fails those; what must be fast is measured in bench."""
    texts = {path.name: path.read_text("utf-8") for path in TESTS.rglob("*.py")}
    assert {name for name, text in texts.items() if WALL_TIMES.search(text)} == set()
