"""Find the processes of one test among those of a whole machine. A plain module for every suite.

Where a command's folder appears depends on the machine: bubblewrap has it among its arguments,
a command without a sandbox only as its working directory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
from tests.waiting import wait_until


def is_alive(process: psutil.Process) -> bool:
    """Return whether the process still runs; a zombie does not."""
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def processes_of(folder: Path) -> list[psutil.Process]:
    """List running processes that work in ``folder`` or below, or have it among their arguments.

    Their parent does not matter, so that orphans of a killed process are found.
    """
    named = re.compile(re.escape(str(folder)) + r"(?![\w.-])")
    found = (process for process in psutil.process_iter() if is_alive(process))
    return [process for process in found if any(map(named.search, _places(process)))]


def find_encoders(folder: Path) -> list[psutil.Process]:
    """List the running FFmpegs among these, without their sandboxes."""
    return [one for one in processes_of(folder) if _program(one).startswith("ffmpeg")]


def suspend_encoders(folder: Path) -> None:
    """Wait for FFmpegs and suspend them: they end only if they are killed."""
    wait_until(lambda: [*map(_suspend, find_encoders(folder))].count(True))


def _suspend(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        process.suspend()
        return is_alive(process)
    return False


def _program(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return Path(next(iter(process.cmdline()), "")).name
    return ""


def _places(process: psutil.Process) -> Iterator[str]:
    # Each separately: of another user's process the arguments are readable, the folder is not.
    with suppress(psutil.Error):
        yield from process.cmdline()
    with suppress(psutil.Error):
        yield process.cwd()
