"""The log file of a supervisor that the command line starts."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from cinemill.telemetry import configure_logging

if TYPE_CHECKING:
    from cinemill.config import Settings


def log_to_file(settings: Settings) -> Path:
    """Send the supervisor's log to its file and return the path.

    The terminal shows status lines instead.
    """
    path = settings.home / "log" / "supervisor.log"
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    configure_logging("supervisor", level=settings.log_level, log_file=path)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # our own requests to our own API
    root = logging.getLogger()
    root.handlers = [one for one in root.handlers if isinstance(one, logging.FileHandler)]
    return path
