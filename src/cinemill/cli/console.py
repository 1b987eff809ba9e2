"""Printing: results go to stdout, messages to stderr, both as JSON on request."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import typer

from cinemill.cli.terminal import screen
from cinemill.cli.terminal.printable import dump_json, escape, escape_around_colors
from cinemill.cli.terminal.screen import paint
from cinemill.cli.terminal.wrapping import wrap
from cinemill.errors import CinemillError, SettingsInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment
    from rich.table import Table
    from rich.text import Text

LOCAL_HINTS = {
    "unauthorized": (
        "Set CINEMILL_TOKEN to the content of the file 'token' in that server's home folder."
    ),
}
LOG_TAIL_LINES = 8
STATE_COLORS = {"completed": "green", "failed": "red", "running": "cyan", "cancelled": "yellow"}


def console() -> Console:
    """Return a console for tables on the current stdout, which tests and pipes replace.

    It prints text as it is: what videos say may look like markup ("[music]") or emoji (":fire:").
    """
    return _open_screen(is_stderr=False)


def stderr() -> Console:
    """Return a console on stderr for everything but results: progress bars, hints, errors."""
    return _open_screen(is_stderr=True)


def _open_screen(*, is_stderr: bool) -> Console:
    from rich.console import Console
    from rich.segment import Segment

    class Screen(Console):
        """A console that breaks lines between words only, and passes on a closed pipe.

        Control characters in what it prints are written out.
        """

        def print(self, *objects: Any, **options: Any) -> None:
            if all(isinstance(one, str) for one in objects):
                objects = tuple(wrap(escape(one), self.width) for one in objects)
                options = {"overflow": "ignore", **options}  # which means: leave the lines alone
            super().print(*objects, **{"crop": False, **options})

        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            # Whatever it is a cell or a bar of, and whoever has made it.
            for text, style, control in super().render(renderable, options):
                yield Segment(text if control else escape(text), style, control)

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # the application ends in one way, whatever has been printing

    stream = sys.stderr if is_stderr else sys.stdout
    known = screen.find_width(stream) or screen.PIPE_WIDTH
    return Screen(
        stderr=is_stderr,
        highlight=False,
        markup=False,
        emoji=False,
        width=None if screen.is_interactive(stream) else known,  # those follow the window
        # FORCE_COLOR and others must not put escapes into a pipe that somebody reads.
        force_terminal=screen.is_terminal(stream),
        color_system="auto" if screen.has_colors(stream) else None,
    )


def print_json(document: Any, *, on_one_line: bool = False) -> None:
    typer.echo(dump_json(document, sys.stdout, indent=None if on_one_line else 2))


def print_line(sentence: str) -> None:
    """Print a result that is a sentence to stdout, wrapped between its words."""
    typer.echo(wrap(escape_around_colors(sentence), screen.find_width(sys.stdout)))


def print_message(sentence: str) -> None:
    """Print a sentence to stderr, so that stdout holds only the result and can be piped."""
    typer.echo(wrap(escape_around_colors(sentence), screen.find_width(sys.stderr)), err=True)


def print_warning(sentence: str, *, as_json: bool = False) -> None:
    """Print what may be wrong, though the command goes on."""
    if as_json:
        typer.echo(dump_json({"warning": {"message": sentence}}, sys.stderr), err=True)
        return
    print_message(f"{paint('warning', 'yellow')}: {sentence}")


def make_table(*columns: str) -> Table:
    """Return a table with these column heads, which folds in a narrow terminal.

    A ``>`` before a head aligns its cells to the right, as for numbers; with ``!`` they never wrap.
    """
    from cinemill.cli.terminal.tables import FoldingTable

    table = FoldingTable()
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
    """Print code, message, last log lines and hint of an error, each on a line; no traceback.

    ``about`` names the item that the error belongs to, if there are several.
    """
    if as_json:
        named = {"about": about} if about else {}
        document = {"error": {**named, **error_document(error)}}
        typer.echo(dump_json(document, sys.stderr), err=True)
        return
    problems = error.problems if isinstance(error, SettingsInvalid) else []
    for name, what in problems:
        print_message(f"  {paint(name, 'default')}: {what}")
    sentence = f"{len(problems)} invalid setting(s)." if problems else error.message
    prefix = f"{about}: " if about else ""
    print_message(f"{prefix}{paint(error.code, 'red')}: {sentence}")
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


def format_time_left(seconds: float | None) -> str:
    """Return a time left as ``35 s``, ``3 min``, ``3 min 30 s`` or ``2 h 05 min``; empty for None.

    It is an estimate: no fractions, and no zero seconds.
    """
    if seconds is not None and seconds < 59.5:
        return f"{max(1, round(seconds))} s"
    return format_duration(seconds).removesuffix(" 00 s").removesuffix(" 00 min")


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
