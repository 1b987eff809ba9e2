"""Progress as bars on a terminal, as lines in a log, and not at all for programs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from cinemill.cli.console import format_time_left, print_message, stderr
from cinemill.cli.terminal.screen import is_interactive

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from cinemill.client import ProgressEvent

PERCENT_STEP = 10
LONGEST_SILENCE_SECONDS = 10.0
WAITING_SECONDS = 60.0
"""The last line is repeated after this long without any event."""
SHORTEST_GAP_SECONDS = 1.0
"""Minimum time between two lines of which only the percentage differs, for short videos."""


class Display:
    """A display that prints nothing, and the base of the others.

    ``name`` is that of a video or a job.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def sent(self, name: str, done_bytes: int, total_bytes: int) -> None:
        """Show how much of an upload has been sent."""

    def accepted(self, name: str, job: str) -> None:
        """Show that the server has accepted the video, as this job."""

    def on_event(self, name: str, event: ProgressEvent) -> None:
        """Show the job's latest event."""

    def failed(self, name: str, message: str) -> None:
        """Show that no further events will follow."""

    def wait(self) -> None:
        """Handle some seconds without any event."""

    def close(self) -> None:
        """Release the terminal; may be called while the context is still open in another thread."""


@dataclass(frozen=True, slots=True)
class PrintedLine:
    """The content of the last line printed about a name, and its time."""

    stage: tuple[str, str]
    percent: float
    at_seconds: float


class LineDisplay(Display):
    """Prints a line for each change of stage, and between these every 10 % or 10 s."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._printed: dict[str, PrintedLine] = {}
        self._began: dict[str, float] = {}
        self._running: dict[str, str] = {}

    def sent(self, name: str, done_bytes: int, total_bytes: int) -> None:
        now = self._clock()
        began = self._began.setdefault(name, now)
        # The start of an upload is not printed, since most uploads take less than a second.
        self._printed.setdefault(name, PrintedLine(("sending", ""), 0, now))
        if not 0 < done_bytes < total_bytes:
            return
        left = (now - began) * (total_bytes - done_bytes) / done_bytes
        percent = 100 * done_bytes / total_bytes
        words = f"{percent:.0f}% uploaded, {format_time_left(left)} left"
        self._write(name, ("sending", ""), percent, words)

    def accepted(self, name: str, job: str) -> None:
        self._write(name, ("sent", ""), 0, f"uploaded, job {job}")

    def on_event(self, name: str, event: ProgressEvent) -> None:
        words = f"{event.progress:.0f}% {event.message or event.status}"
        left = _time_left(event)
        stage = (event.status, event.stage)
        self._write(name, stage, event.progress, f"{words}, {left}" if left else words)
        if event.is_final:
            self._running.pop(name, None)
        else:
            self._running[name] = words

    def failed(self, name: str, message: str) -> None:
        self._write(name, ("failed", message), 0, message)
        self._running.pop(name, None)

    def wait(self) -> None:
        """Repeat the last line after WAITING_SECONDS, so that a waiting job does not look dead."""
        now = self._clock()
        for name, words in self._running.items():
            last = self._printed[name]
            if now - last.at_seconds >= WAITING_SECONDS:
                self._printed[name] = replace(last, at_seconds=now)
                print_message(f"{name}: still {words}")

    def _write(self, name: str, stage: tuple[str, str], percent: float, words: str) -> None:
        now = self._clock()
        if self._is_due(self._printed.get(name), stage, percent, now):
            self._printed[name] = PrintedLine(stage, percent, now)
            print_message(f"{name}: {words}")

    @staticmethod
    def _is_due(
        last: PrintedLine | None, stage: tuple[str, str], percent: float, now: float
    ) -> bool:
        if last is None or last.stage != stage:
            return True
        gap = now - last.at_seconds
        if percent >= last.percent + PERCENT_STEP:
            return gap >= SHORTEST_GAP_SECONDS
        return percent != last.percent and gap >= LONGEST_SILENCE_SECONDS


class BarDisplay(Display):
    """Shows a bar for each video: its upload, then its job, with stage and time left."""

    def __init__(self) -> None:
        screen = stderr()
        self._progress = _make_progress(screen)
        # At most a quarter of the line for the name, because the other columns have to fit too.
        self._name_width = max(12, min(28, screen.width // 4))
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def close(self) -> None:
        self._progress.stop()

    def sent(self, name: str, done_bytes: int, total_bytes: int) -> None:
        percent = 100 * done_bytes / total_bytes if total_bytes else 100
        words = "uploading" if done_bytes < total_bytes else "checking"
        self._update(name, percent, words, "")

    def accepted(self, name: str, job: str) -> None:
        self._update(name, 100, f"uploaded, job {job}", "")

    def on_event(self, name: str, event: ProgressEvent) -> None:
        self._update(name, event.progress, event.message or event.status, _time_left(event))

    def failed(self, name: str, message: str) -> None:
        self._update(name, None, message, "")

    def _update(self, name: str, percent: float | None, words: str, left: str) -> None:
        """Show this about a name; None leaves its bar where it is."""
        if name not in self._bars:
            width = self._name_width
            shown = name if len(name) <= width else f"{name[: width - 1]}…"
            self._bars[name] = self._progress.add_task(shown, total=100, words="", left="")
        self._progress.update(self._bars[name], completed=percent, words=words, left=left)


def open_display(*, quiet: bool) -> Display:
    """Return a display: a silent one if ``quiet``, bars on a terminal, else lines.

    Terminals that cannot redraw a line get lines too.
    """
    if quiet:
        return Display()
    return BarDisplay() if is_interactive(sys.stderr) else LineDisplay()


def _time_left(event: ProgressEvent) -> str:
    if event.is_final:
        return ""
    if event.queue_place:
        return f"{event.queue_place} ahead in the queue"
    return (
        f"about {format_time_left(event.seconds_left)} left"
        if event.seconds_left is not None
        else ""
    )


def _make_progress(screen: Console) -> Progress:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.table import Column

    def text(field: str, **style: str) -> TextColumn:
        column = Column(no_wrap=True, overflow="ellipsis")
        return TextColumn(field, markup=False, table_column=column, **style)  # type: ignore[arg-type]

    return Progress(
        text("{task.description}"),
        BarColumn(bar_width=max(10, min(30, screen.width // 6))),
        TaskProgressColumn(),
        text("{task.fields[words]}"),
        text("{task.fields[left]}", style="dim"),
        console=screen,
        # Output to a file or a pipe must not be redirected above the bars.
        redirect_stdout=sys.stdout.isatty(),
    )
