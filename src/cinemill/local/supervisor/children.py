"""Start and signal child processes: own session, parent-death signal, whole process groups."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from cinemill.local.supervisor import launcher

PRIVATE_UMASK = 0o077
"""Services create files that only their own user may read, whatever the terminal's umask is."""

_LAUNCHER = (sys.executable, "-I", "-S", str(Path(launcher.__file__)))


def wrap_command(
    command: Sequence[str | Path], *, death_signal: int = signal.SIGKILL, identity: str = "same"
) -> list[str]:
    """Return the command line that runs ``command`` through the launcher as our child.

    Start it from the main thread: the death signal is sent when the forking thread ends.
    """
    options = [str(os.getpid()), str(int(death_signal)), identity]
    return [*_LAUNCHER, *options, *map(str, command)]


def start_child(
    command: Sequence[str | Path],
    *,
    log: IO[bytes] | int,
    death_signal: int = signal.SIGKILL,
    identity: str = "same",
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own; its output is appended to ``log``.

    Files that it creates are readable by its own user only.
    """
    return subprocess.Popen(
        wrap_command(command, death_signal=death_signal, identity=identity),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        umask=PRIVATE_UMASK,
        env=None if environment is None else dict(environment),
    )


def signal_group(pid: int, number: int) -> None:
    """Send a signal to every process of the group that ``pid`` leads, if it still exists."""
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def signal_process(pid: int, number: int) -> None:
    """Send a signal to one process, if it still exists."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
