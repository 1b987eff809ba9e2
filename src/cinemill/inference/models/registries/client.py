"""A download by a package registry's own client: pip, npm.

A client knows the registries, proxies and passwords that a machine is set up with.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cinemill.errors import DependencyUnavailable
from cinemill.inference.models.transfer import Transfer

TICK_SECONDS = 0.1
STALL_SECONDS = 180.0
"""Longest time without a byte; clients themselves ask again several times in it."""
KILL_WAIT_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1


class PackageClient:
    """One run of a client: followed by the size of what it writes, and gone when it should be."""

    def __init__(
        self, folder: Path, transfer: Transfer, before_bytes: int, most_bytes: int
    ) -> None:
        """``folder`` is all that the client may write to.

        ``before_bytes`` had arrived before; more than ``most_bytes`` in the folder are refused.
        """
        self._folder = folder
        self._transfer = transfer
        self._before_bytes = before_bytes
        self._most_bytes = most_bytes

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Run the client to its end. ``environment`` is added to that of this process.

        Raises DependencyUnavailable (``model_unavailable``), and what ``should_stop`` returns.
        """
        log = self._folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=output,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
            try:
                self._follow(process)
            finally:
                _end(process)
        if process.returncode != 0:
            raise _unavailable(_last_line(log))

    def _follow(self, process: subprocess.Popen[bytes]) -> None:
        seen_bytes, alive_at = 0, time.monotonic()
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(TICK_SECONDS)
                return
            size_bytes = sum(_list_sizes(self._folder))
            if size_bytes > seen_bytes:
                seen_bytes, alive_at = size_bytes, time.monotonic()
            if seen_bytes > self._most_bytes:
                raise _unavailable(f"it has more than {self._most_bytes} bytes")
            if time.monotonic() - alive_at > STALL_SECONDS:
                raise _unavailable(f"no byte arrived within {STALL_SECONDS:g} s")
            self._transfer.advance(self._before_bytes + seen_bytes)


def _list_sizes(folder: Path) -> Iterator[int]:
    for parent, _folders, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # clients move and remove files meanwhile
                yield (Path(parent) / name).lstat().st_size


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the client and what it started, if it still runs."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(KILL_WAIT_SECONDS)


def _last_line(log: Path) -> str:
    lines = log.read_bytes()[-4096:].decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "nothing was downloaded"


def _unavailable(reason: str) -> DependencyUnavailable:
    return DependencyUnavailable(reason, code="model_unavailable")
