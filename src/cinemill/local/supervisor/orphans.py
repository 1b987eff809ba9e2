"""Servers that a killed supervisor left on a data folder: ended before the folder is used again."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil

from cinemill.telemetry import get_logger

POLL_SECONDS = 0.1

_log = get_logger(__name__)


def find_leftovers(folder: Path, program: str) -> list[psutil.Process]:
    """Processes named ``program`` that work in ``folder``, as servers do in their data folder.

    A process that we may not look into is another user's, and so not one of ours.
    """
    found = []
    for process in psutil.process_iter(["name"]):
        with suppress(psutil.Error, OSError):
            if process.info["name"] == program and Path(process.cwd()) == folder:
                found.append(process)
    return found


def end_leftovers(folder: Path, program: str, stop_signal: int, *, grace_seconds: float) -> int:
    """Stop what still runs on the folder, gently and then by force; how many there were."""
    found = find_leftovers(folder, program)
    if not found:
        return 0
    _log.warning("leftover_servers", program=program, pids=[process.pid for process in found])
    _signal_all(found, stop_signal)
    left = _wait_until_gone(folder, program, grace_seconds)
    _signal_all(left, signal.SIGKILL)
    _wait_until_gone(folder, program, grace_seconds)
    return len(found)


def _wait_until_gone(folder: Path, program: str, seconds: float) -> list[psutil.Process]:
    """Who is left on the folder; a zombie that nobody reaps works nowhere, and so is gone."""
    deadline = time.monotonic() + seconds
    while (left := find_leftovers(folder, program)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return left


def _signal_all(processes: list[psutil.Process], number: int) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)
