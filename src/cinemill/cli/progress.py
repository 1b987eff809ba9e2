"""Progress on a terminal as bars, in a log as lines, for programs not at all."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from cinemill.cli.console import print_message, show_seconds, stderr

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from cinemill.client import ProgressEvent

PERCENT_STEP = 10
LONGEST_SILENCE_SECONDS = 10.0
WAITING_SECONDS = 60.0
"""After so long without any news, the last is told again."""
SHORTEST_GAP_SECONDS = 1.0
"""Between two lines that tell of nothing but percent: a short film needs no ten of them."""


class Display:
    """Says nothing; the others say more. ``name`` is a film's or a job's."""

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
        """So much of the upload has gone out."""

    def accepted(self, name: str, job: str) -> None:
        """The mill has taken the film, as this job."""

    def on_event(self, name: str, event: ProgressEvent) -> None:
        """The job's latest news."""

    def failed(self, name: str, message: str) -> None:
        """No news will follow."""

    def wait(self) -> None:
        """Nothing was heard for some seconds."""

    def close(self) -> None:
        """Leave the terminal to others; also where whoever entered is still inside."""


@dataclass(frozen=True, slots=True)
class NullDisplay:
    """What the last line about a name said, and when."""

    stage: tuple[str, str]
    percent: float
    at_seconds: float


class LineDisplay(Display):
    """A line for each change of stage, and between them each 10 % or 10 s: a log is read whole."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: dict[str, NullDisplay] = {}
        self._began: dict[str, float] = {}
        self._going: dict[str, str] = {}

    def sent(self, name: str, done_bytes: int, total_bytes: int) -> None:
        now = self._clock()
        began = self._began.setdefault(name, now)
        # The first bytes are no news: most films are sent within a second.
        self._told.setdefault(name, NullDisplay(("sending", ""), 0, now))
        if not 0 < done_bytes < total_bytes:
            return
        left = (now - began) * (total_bytes - done_bytes) / done_bytes
        percent = 100 * done_bytes / total_bytes
        words = f"{percent:.0f}% uploaded, {_show_left(left)} left"
        self._write(name, ("sending", ""), percent, words)

    def accepted(self, name: str, job: str) -> None:
        self._write(name, ("sent", ""), 0, f"uploaded, job {job}")

    def on_event(self, name: str, event: ProgressEvent) -> None:
        words = f"{event.progress:.0f}% {event.message or event.status}"
        left = _time_left(event)
        stage = (event.status, event.stage)
        self._write(name, stage, event.progress, f"{words}, {left}" if left else words)
        if event.is_final:
            self._going.pop(name, None)
        else:
            self._going[name] = words

    def failed(self, name: str, message: str) -> None:
        self._write(name, ("failed", message), 0, message)
        self._going.pop(name, None)

    def wait(self) -> None:
        """A job may wait for hours; who watches the log must not take it for dead."""
        now = self._clock()
        for name, words in self._going.items():
            last = self._told[name]
            if now - last.at_seconds >= WAITING_SECONDS:
                self._told[name] = replace(last, at_seconds=now)
                print_message(f"{name}: still {words}")

    def _write(self, name: str, stage: tuple[str, str], percent: float, words: str) -> None:
        now = self._clock()
        if self._is_due(self._told.get(name), stage, percent, now):
            self._told[name] = NullDisplay(stage, percent, now)
            print_message(f"{name}: {words}")

    @staticmethod
    def _is_due(
        last: NullDisplay | None, stage: tuple[str, str], percent: float, now: float
    ) -> bool:
        if last is None or last.stage != stage:
            return True
        gap = now - last.at_seconds
        if percent >= last.percent + PERCENT_STEP:
            return gap >= SHORTEST_GAP_SECONDS
        return percent != last.percent and gap >= LONGEST_SILENCE_SECONDS


class BarDisplay(Display):
    """A bar for each film: its upload, then its job, with stage and time left."""

    def __init__(self) -> None:
        screen = stderr()
        self._progress = _make_progress(screen)
        # A third of the line for the name, as the rest has to fit in as well.
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
        self._update(name, 0, message, "")

    def _update(self, name: str, percent: float, words: str, left: str) -> None:
        if name not in self._bars:
            width = self._name_width
            shown = name if len(name) <= width else f"{name[: width - 1]}…"
            self._bars[name] = self._progress.add_task(shown, total=100, words="", left="")
        self._progress.update(self._bars[name], completed=percent, words=words, left=left)


def open_display(*, quiet: bool) -> Display:
    """What fits: nothing where ``quiet``, bars on a terminal, else lines."""
    if quiet:
        return Display()
    return BarDisplay() if stderr().is_terminal else LineDisplay()


def _time_left(event: ProgressEvent) -> str:
    if event.is_final:
        return ""
    if event.queue_place:
        return f"{event.queue_place} ahead in the queue"
    return f"{_show_left(event.seconds_left)} left" if event.seconds_left is not None else ""


def _show_left(seconds: float) -> str:
    """An estimate is not known to the tenth of a second."""
    return f"{seconds:.0f} s" if seconds < 59.5 else show_seconds(seconds)


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
        # What goes to a file or a pipe must go there, and not above the bars.
        redirect_stdout=sys.stdout.isatty(),
    )
