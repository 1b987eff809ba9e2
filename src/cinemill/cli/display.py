"""Progress on a terminal as bars, in a log as lines, for programs not at all."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from cinemill.cli.screen import notes, say, show_seconds

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from cinemill.client import ProgressEvent

NAME_WIDTH = 28


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
        pass

    def sent(self, name: str, done_bytes: int, total_bytes: int) -> None:
        """So much of the upload has gone out."""

    def heard(self, name: str, event: ProgressEvent) -> None:
        """The job's latest news."""

    def failed(self, name: str, message: str) -> None:
        """No news will follow."""


class Lines(Display):
    """One line for each change, not for each event: a log is read later, and whole."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[str, str]] = {}

    def sent(self, name: str, done_bytes: int, total_bytes: int) -> None:
        if done_bytes >= total_bytes:
            self._tell(name, ("sent", ""), "sent")

    def heard(self, name: str, event: ProgressEvent) -> None:
        words = event.message or event.status
        self._tell(name, (event.status, event.stage), f"{event.progress:.0f} % {words}")

    def failed(self, name: str, message: str) -> None:
        self._tell(name, ("failed", message), message)

    def _tell(self, name: str, change: tuple[str, str], words: str) -> None:
        if self._told.get(name) != change:
            self._told[name] = change
            say(f"{name}: {words}")


class Bars(Display):
    """A bar for each film: its upload, then its job, with stage and time left."""

    def __init__(self) -> None:
        self._progress = _make_progress()
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def sent(self, name: str, done_bytes: int, total_bytes: int) -> None:
        percent = 100 * done_bytes / total_bytes if total_bytes else 100
        words = "uploading" if done_bytes < total_bytes else "waiting for the receipt"
        self._update(name, percent, words, "")

    def heard(self, name: str, event: ProgressEvent) -> None:
        self._update(name, event.progress, event.message or event.status, _time_left(event))

    def failed(self, name: str, message: str) -> None:
        self._update(name, None, message, "")

    def _update(self, name: str, percent: float | None, words: str, left: str) -> None:
        if name not in self._bars:
            shown = name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 1]}…"
            self._bars[name] = self._progress.add_task(shown, total=100, words="", left="")
        self._progress.update(self._bars[name], completed=percent, words=words, left=left)


def open_display(*, quiet: bool) -> Display:
    """What fits: nothing where ``quiet``, bars on a terminal, else lines."""
    if quiet:
        return Display()
    return Bars() if notes().is_terminal else Lines()


def _time_left(event: ProgressEvent) -> str:
    if event.is_final:
        return ""
    if event.queue_place:
        return f"{event.queue_place} before it"
    return f"{show_seconds(event.seconds_left)} left" if event.seconds_left is not None else ""


def _make_progress() -> Progress:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[words]}", markup=False),
        TextColumn("{task.fields[left]}", style="dim", markup=False),
        console=notes(),
    )
