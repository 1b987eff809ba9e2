"""What people see while an instance starts, runs and stops: a line for each event of a service."""

from __future__ import annotations

import signal

from rich.console import Console
from rich.text import Text

from cinemill.telemetry import get_logger

_log = get_logger(__name__)
_WIDTH = 12


class StatusLines:
    """Lines for people on the console, and the same events in the log; no console: log only."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console

    def ready(self, label: str, seconds: float) -> None:
        _log.info("part_ready", part=label, seconds=round(seconds, 2))
        self._show("✓", "green", label, f"ready in {seconds:.1f} s")

    def restarting(self, label: str, how: str, delay_seconds: float) -> None:
        _log.warning("part_ended", part=label, how=how, delay_seconds=round(delay_seconds, 2))
        self._show("!", "yellow", label, f"{how}; restarting in {delay_seconds:.1f} s")

    def crash_loop(self, label: str, failures: int, how: str, tail: str) -> None:
        _log.error("part_crash_loop", part=label, failures=failures, how=how, tail=tail)
        words = (
            f"ended {failures} times in a row ({how}) and is still being restarted; its last lines:"
        )
        self._show("✗", "red", label, words)
        for line in tail.splitlines()[-5:]:
            self._show(" ", "red", "", line)

    def stopped(self, label: str, seconds: float, *, forced: bool) -> None:
        _log.info("part_stopped", part=label, seconds=round(seconds, 2), forced=forced)
        words = (
            "was killed because it did not stop in time"
            if forced
            else f"stopped in {seconds:.1f} s"
        )
        self._show("■", "yellow" if forced else "dim", label, words)

    def say(self, sentence: str) -> None:
        self._show(" ", "bold", "", sentence)

    def _show(self, mark: str, style: str, label: str, words: str) -> None:
        if self._console is not None:
            line = Text(f"{mark} {label:<{_WIDTH}}", style=style) + Text(f" {words}", style="")
            self._console.print(line, soft_wrap=True)


def describe_exit(code: int) -> str:
    """Describe how a process ended; as in asyncio, negative codes are signals."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
