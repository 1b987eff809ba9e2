"""Servers that a killed supervisor left running on a data folder, stopped before it is reused."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil

from cinemill.telemetry import get_logger

POLL_SECONDS = 0.1

_log = get_logger(__name__)


def find_orphans(folder: Path, program: str) -> list[psutil.Process]:
    """List processes named ``program`` whose working directory is ``folder``, as for our servers.

    A process that we may not inspect belongs to another user, and so is not one of ours.
    """
    found = []
    for process in psutil.process_iter(["name"]):
        with suppress(psutil.Error, OSError):
            if process.info["name"] == program and runs_in(process, folder):
                found.append(process)
    return found


def runs_in(process: psutil.Process, folder: Path) -> bool:
    """Return whether the working directory of a process is this folder, under whatever name.

    Symbolic links and bind mounts give one folder several names. Raises psutil.Error; OSError
    where the folder is gone.
    """
    try:
        return folder.samefile(f"/proc/{process.pid}/cwd")  # Linux: right after a renaming too
    except OSError:
        return folder.samefile(process.cwd())


def stop_orphans(folder: Path, program: str, stop_signal: int, *, grace_seconds: float) -> int:
    """Stop servers that still run on the folder, by force after the grace; return how many."""
    found = find_orphans(folder, program)
    if not found:
        return 0
    _log.warning("orphaned_servers", program=program, pids=[process.pid for process in found])
    _signal_all(found, stop_signal)
    left = _wait_until_gone(folder, program, grace_seconds)
    _signal_all(left, signal.SIGKILL)
    _wait_until_gone(folder, program, grace_seconds)
    return len(found)


def _wait_until_gone(folder: Path, program: str, seconds: float) -> list[psutil.Process]:
    """Return the processes left on the folder; a zombie has no working directory and is not one."""
    deadline = time.monotonic() + seconds
    while (left := find_orphans(folder, program)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return left


def _signal_all(processes: list[psutil.Process], number: int) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)
