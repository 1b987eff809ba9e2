"""Printing: results go to stdout, messages to stderr, both as JSON on request."""

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
"""Columns if there is no terminal: a path in a log must not be broken into lines."""


def remember_json(context: typer.Context, value: bool) -> bool:
    """Store the value of ``--json``, so that errors are printed as JSON too."""
    context.meta[JSON_KEY] = value
    return value


def console() -> Console:
    """Return a console for tables on the current stdout, which tests and pipes replace.

    It prints text as it is: what videos say may look like markup ("[music]") or emoji (":fire:").
    """
    from rich.console import Console

    screen = Console(highlight=False, markup=False, emoji=False)
    if not screen.is_terminal:
        screen.width = PIPE_WIDTH
    return screen


def stderr() -> Console:
    """Return a console on stderr for everything but results: progress bars, hints, errors."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def print_json(document: Any, *, on_one_line: bool = False) -> None:
    indent = None if on_one_line else 2
    typer.echo(json.dumps(document, ensure_ascii=False, indent=indent, default=str))


def print_message(sentence: str) -> None:
    """Print a sentence to stderr, so that stdout holds only the result and can be piped."""
    typer.echo(sentence, err=True)


def make_table(*columns: str) -> Table:
    """Return a table with these column heads.

    A ``>`` before a head aligns its cells to the right, as for numbers; with ``!`` they never wrap.
    """
    from rich import box
    from rich.table import Table

    # Two spaces between columns and none around them, to fit into eighty columns.
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for column in columns:
        justify: Literal["left", "right"] = "right" if ">" in column else "left"
        head = column.lstrip(">!")
        table.add_column(head, justify=justify, overflow="fold", no_wrap="!" in column)
    return table


def shorten_to_fit(text: str) -> Text:
    """Return a cell that is shortened with an ellipsis before other columns are."""
    from rich.text import Text

    return Text(text, no_wrap=True, overflow="ellipsis")


def color_state(state: str) -> Text:
    from rich.text import Text

    return Text(state, style=STATE_COLORS.get(state, ""))


def print_error(error: CinemillError, *, as_json: bool = False, about: str = "") -> None:
    """Print code, message, last log lines and hint of an error; never a traceback.

    ``about`` names the item that the error belongs to, if there are several.
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
    """Return the error's hint, or one for the command line where the server's is about HTTP."""
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


def format_duration(seconds: float | None) -> str:
    """Return a duration as ``1.2 s``, ``3 min 05 s`` or ``2 h 03 min``; empty for None.

    Written here because rich has only clock formats such as ``0:03:05``, without fractions.
    """
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, remaining_seconds = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {remaining_seconds:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def format_age(moment: str | None, *, now: datetime | None = None) -> str:
    """Return the age of an ISO 8601 time: ``12 s``, ``5 min``, ``3 h`` or ``2 d``; empty for None.

    Written here because rich formats no ages, and the short units keep tables at 80 columns.
    """
    if not moment:
        return ""
    seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(moment)).total_seconds()
    for unit, length, following in (("s", 1, 60), ("min", 60, 3600), ("h", 3600, 86400)):
        if seconds < following:
            # The clocks of two machines differ slightly, and an age must not be negative.
            return f"{max(0, int(seconds / length))} {unit}"
    return f"{int(seconds / 86400)} d"


def format_size(size_bytes: float) -> str:
    """Return a size in powers of 1000, as file managers show it: ``812 bytes``, ``1.2 MB``."""
    from rich.filesize import decimal

    return decimal(int(size_bytes))
