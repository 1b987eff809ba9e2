"""The supervisor's side of the guardian (see ``guardian``): telling it who lives."""

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
    """A running guardian. Leave the block only when every child has ended: it ends the rest."""

    def __enter__(self) -> Self:
        self._guardian = subprocess.Popen(
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
            self._guardian.communicate(timeout=WAIT_SECONDS)

    def add(self, pid: int, death_signal: int, grace_seconds: float) -> None:
        """A child was started; it gets ``death_signal`` if we die."""
        self._tell(f"+ {pid} {int(death_signal)} {grace_seconds}\n")

    def forget(self, pid: int) -> None:
        """A child has ended, and its whole group with it."""
        self._tell(f"- {pid}\n")

    def _tell(self, line: str) -> None:
        # Its death is no reason to stop the mill: the parent-death signal still stands.
        try:
            if self._guardian.stdin is not None:
                self._guardian.stdin.write(line)
        except BrokenPipeError:
            _log.warning("guardian_gone", pid=self._guardian.pid)
