"""An embedded PostgreSQL whose clock can be set while it runs, by libfaketime.

A plain module for every suite.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from cinemill.local.embedded_servers import RunningServer

PATHS = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
)


def find_faketime() -> str | None:
    """Return the library that shifts a process's clock, if it is installed."""
    return next((path for path in PATHS if Path(path).exists()), None)


@dataclass
class SteppedClock:
    """The clock of a server; its monotonic clock stays as it is."""

    file: Path
    ahead_seconds: float = 0.0

    def set(self, ahead_seconds: float) -> None:
        """Set the clock to this machine's time and so many seconds; for all its processes."""
        unfinished = self.file.with_suffix(".new")
        unfinished.write_text(f"{ahead_seconds:+.3f}\n")
        unfinished.chmod(0o644)
        unfinished.replace(self.file)
        self.ahead_seconds = ahead_seconds


def restart_with_stepped_clock(server: RunningServer, folder: Path, library: str) -> SteppedClock:
    """Restart a server under libfaketime; ``folder`` must be readable by the server's user."""
    env = shutil.which("env")
    assert env is not None
    clock = SteppedClock(folder / "clock")
    clock.set(0.0)
    folder.chmod(0o755)
    server.stop()
    server.command = (
        env,
        f"LD_PRELOAD={library}",
        f"FAKETIME_TIMESTAMP_FILE={clock.file}",
        "FAKETIME_NO_CACHE=1",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
        *server.command,
    )
    server.start()
    return clock
