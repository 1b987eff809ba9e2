"""The progress of a run that trains or measures: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cinemill.cli.console import format_duration, print_message, stderr

if TYPE_CHECKING:
    from rich.progress import TaskID

    from cinemill.capabilities.detection.runs.progress import RunState

_STEPS = 10
"""Lines in a log, at most."""


class RunDisplay:
    """Shows how far a run is and how long it still takes."""

    def __init__(self, *, hidden: bool) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        screen = stderr()
        self._is_silent = hidden
        self._is_bar = screen.is_terminal and not hidden
        self._progress = Progress(
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.description}", markup=False),
            console=screen,
            disable=not self._is_bar,
            transient=True,
        )
        self._task: TaskID | None = None
        self._last_step = -1

    def __enter__(self) -> RunDisplay:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, state: RunState) -> None:
        left = state.remaining_seconds
        sentence = state.sentence
        if left and state.share < 1:
            sentence += f", about {format_duration(left)} left"
        if self._is_bar:
            if self._task is None:
                self._task = self._progress.add_task("", total=1.0)
            self._progress.update(self._task, completed=state.share, description=sentence)
        elif not self._is_silent:
            self._print(state.share, sentence)

    def _print(self, share: float, sentence: str) -> None:
        step = int(share * _STEPS)
        if step > self._last_step:
            self._last_step = step
            print_message(f"{share:4.0%} {sentence}")
