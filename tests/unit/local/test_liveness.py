"""Liveness checks: a process whose threads run is alive, and a frozen one is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.waiting import PATIENCE_SECONDS

from cinemill.local.supervisor.liveness import AllSigns, AnyActivity, CpuActivity, Pulse

TICKING = "import time\nprint(flush=True)\nwhile True: time.sleep(0.01)"
BACKGROUND_THREAD = """
import threading, time
def tick():
    while True: time.sleep(0.01)
threading.Thread(target=tick, daemon=True).start()
print(flush=True)
lock = threading.Lock()
lock.acquire()
lock.acquire()
"""

StartScript = Callable[[str], int]


@pytest.fixture
def start_script() -> Iterator[StartScript]:
    """Start a script; return its process id once it has printed something."""
    started: list[subprocess.Popen[bytes]] = []

    def start(script: str) -> int:
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process.pid

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def poll_until(moves: CpuActivity | AnyActivity, pid: int, answer: bool) -> bool:
    """Poll until a tick has come in between, or until the last one is over."""
    moves(pid)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        time.sleep(0.05)
        if moves(pid) is answer:
            return True
    return False


@pytest.mark.parametrize("kind", [CpuActivity, AnyActivity])
def test_cpu_activity_distinguishes_running_from_stopped_processes(
    start_script: StartScript, kind: type[CpuActivity | AnyActivity]
) -> None:
    pid = start_script(TICKING)
    assert poll_until(kind(), pid, answer=True)
    os.kill(pid, signal.SIGSTOP)
    assert poll_until(kind(), pid, answer=False)


def test_background_thread_counts_as_activity_for_the_solo_pool_only(
    start_script: StartScript,
) -> None:
    pid = start_script(BACKGROUND_THREAD)
    assert poll_until(AnyActivity(), pid, answer=True)
    assert poll_until(CpuActivity(), pid, answer=False)


def test_pulse_check_passes_while_the_file_is_touched(tmp_path: Path) -> None:
    file = tmp_path / "worker.pulse"
    pulse = Pulse(file)
    assert pulse(1), "without a file the check passes"
    file.touch()
    assert pulse(1)
    assert not pulse(1)
    os.utime(file, ns=(1, 1))
    assert pulse(1), "whatever the clock says, it was touched"
    assert not pulse(1)
    assert pulse(2), "another process has all its time"


def test_combined_liveness_checks_are_all_called_every_time() -> None:
    asked: list[str] = []

    def sign(name: str, *, answer: bool) -> Callable[[int], bool]:
        def poll(_pid: int) -> bool:
            asked.append(name)
            return answer

        return poll

    assert not AllSigns(sign("first", answer=False), sign("second", answer=True))(1)
    assert asked == ["first", "second"]
    assert AllSigns(sign("first", answer=True), sign("second", answer=True))(1)
