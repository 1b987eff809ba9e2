"""The supervisor's side of the ``reaper``: it reports which children run."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from cinemill.local.supervisor import reaper
from cinemill.telemetry import get_logger

_log = get_logger(__name__)
WAIT_SECONDS = 5.0


class ReaperClient:
    """A running reaper. Leave the block only when every child has ended: it ends the others."""

    def __enter__(self) -> Self:
        self._reaper_process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(reaper.__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(BrokenPipeError):
            self._reaper_process.communicate(timeout=WAIT_SECONDS)

    def add(self, pid: int, death_signal: int, grace_seconds: float) -> None:
        """Report a child that was started; it gets ``death_signal`` if this process dies."""
        self._send(f"+ {pid} {int(death_signal)} {grace_seconds}\n")

    def remove(self, pid: int) -> None:
        """Report that a child and its whole group have ended."""
        self._send(f"- {pid}\n")

    def _send(self, line: str) -> None:
        # The reaper's death does not stop the instance: the parent-death signal still works.
        try:
            if self._reaper_process.stdin is not None:
                self._reaper_process.stdin.write(line)
        except BrokenPipeError:
            _log.warning("reaper_gone", pid=self._reaper_process.pid)
