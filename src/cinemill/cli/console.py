"""What is printed: results to stdout, words about the work to stderr, JSON on request."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import typer

from cinemill.errors import CinemillError, SettingsInvalid

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

JSON_KEY = "cinemill.json"
LOCAL_HINTS = {
    "unauthorized": (
        "Set CINEMILL_TOKEN to the content of the file 'token' in that server's home folder."
    ),
}
LOG_TAIL_LINES = 8
STATE_COLORS = {"completed": "green", "failed": "red", "running": "cyan", "cancelled": "yellow"}
PIPE_WIDTH = 240
"""Columns where there is no terminal: a path in a log is of use only whole."""


def remember_json(context: typer.Context, value: bool) -> bool:
    """Callback of ``--json``: errors are then told as JSON too."""
    context.meta[JSON_KEY] = value
    return value


def console() -> Console:
    """For tables; made when used, so that tests and pipes get the stdout of that moment."""
    from rich.console import Console

    screen = Console(highlight=False)
    if not screen.is_terminal:
        screen.width = PIPE_WIDTH
    return screen


def stderr() -> Console:
    """For words beside the result: progress bars, hints, errors."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def print_json(document: Any, *, on_one_line: bool = False) -> None:
    indent = None if on_one_line else 2
    typer.echo(json.dumps(document, ensure_ascii=False, indent=indent, default=str))


def print_message(sentence: str) -> None:
    """A sentence on stderr: the result on stdout stays fit for a pipe."""
    typer.echo(sentence, err=True)


def make_table(*columns: str) -> Table:
    """A table of these heads. ``>`` before one: its cells are numbers; ``!``: they never wrap."""
    from rich import box
    from rich.table import Table

    # Two spaces between columns, and none around them: eighty columns are few.
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for column in columns:
        justify: Literal["left", "right"] = "right" if ">" in column else "left"
        head = column.lstrip(">!")
        table.add_column(head, justify=justify, overflow="fold", no_wrap="!" in column)
    return table


def shorten_to_fit(text: str) -> Text:
    """A cell that gives way, with an ellipsis, before any other column does."""
    from rich.text import Text

    return Text(text, no_wrap=True, overflow="ellipsis")


def color_state(state: str) -> Text:
    from rich.text import Text

    return Text(state, style=STATE_COLORS.get(state, ""))


def print_error(error: CinemillError, *, as_json: bool = False, about: str = "") -> None:
    """Code, sentence, last lines and hint; never a traceback.

    ``about`` says which of several things went wrong.
    """
    if as_json:
        named = {"about": about} if about else {}
        print_message(json.dumps({"error": {**named, **error_document(error)}}, ensure_ascii=False))
        return
    problems = error.problems if isinstance(error, SettingsInvalid) else []
    for name, what in problems:
        print_message(f"  {typer.style(name, bold=True)}: {what}")
    sentence = f"{len(problems)} invalid setting(s)." if problems else error.message
    prefix = f"{about}: " if about else ""
    print_message(f"{prefix}{typer.style(error.code, fg='red', bold=True)}: {sentence}")
    for line in error.log_tail.splitlines()[-LOG_TAIL_LINES:]:
        print_message(f"  | {line}")
    if hint := hint_for(error):
        print_message(f"→ {hint}")


def hint_for(error: CinemillError) -> str:
    """The error's, in the words of the command line where the mill spoke of HTTP."""
    return LOCAL_HINTS.get(error.code, error.hint)


def error_document(error: CinemillError) -> dict[str, Any]:
    problems = error.problems if isinstance(error, SettingsInvalid) else []
    return {
        **({"problems": [{"name": n, "what": what} for n, what in problems]} if problems else {}),
        "code": error.code,
        "message": error.message,
        "hint": hint_for(error),
        "log_tail": error.log_tail,
    }


def show_seconds(seconds: float | None) -> str:
    """``1.2 s``, ``3 min 05 s``, ``2 h 03 min``; empty for None."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return (
        f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
    )


def show_age(moment: str | None, *, now: datetime | None = None) -> str:
    """How long ago an ISO 8601 time was: ``12 s``, ``5 min``, ``3 h``, ``2 d``; empty for None."""
    if not moment:
        return ""
    seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(moment)).total_seconds()
    for unit, length, following in (("s", 1, 60), ("min", 60, 3600), ("h", 3600, 86400)):
        if seconds < following:
            # Clocks of two machines differ a little: nothing was made in the future.
            return f"{max(0, int(seconds / length))} {unit}"
    return f"{int(seconds / 86400)} d"


def format_size(size_bytes: float) -> str:
    """Return a size in powers of 1000, as file managers show it: ``812 bytes``, ``1.2 MB``."""
    from rich.filesize import decimal

    return decimal(int(size_bytes))
