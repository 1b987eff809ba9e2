"""Help pages: commands in groups, and lines that break between words, in forty columns too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from typer.core import TyperGroup

from cinemill.cli.terminal.wrapping import measure, wrap

WIDEST = 100
"""Columns of a help page in a wide terminal: longer lines are hard to read."""
NARROW = 60
"""Columns below which an option's meaning is written below its name."""
SECTIONS: Mapping[str, Sequence[str]] = {
    "Make": ("process", "transcode", "ladder", "preview", "caption", "render", "batch", "submit"),
    "Find": ("ingest", "search", "ask", "graph", "chapters", "scenes", "detect"),
    "Jobs and videos": (
        *("jobs", "watch", "status", "cancel", "retry", "dead"),
        *("assets", "rm"),
    ),
    "Run": ("up", "worker", "beat", "flower", "mcp"),
    "Look after": ("logs", "doctor", "selftest", "verify", "config", "models", "index", "evaluate"),
}
"""The application's own commands by what people want, each in one section."""
OTHERS = "Of installed packages"
_NAMED = tuple(name for names in SECTIONS.values() for name in names)

_Context: Any = TyperGroup.context_class
_Formatter: Any = _Context.formatter_class


class HelpFormatter(_Formatter):  # type: ignore[misc]
    """A formatter of help pages that fits them to the terminal and never breaks a word."""

    def __init__(self, indent_increment: int = 2, width: Any = None, max_width: Any = None) -> None:
        import shutil

        # Also without a terminal: a page of help in a pipe is read by people, and COLUMNS counts.
        columns = shutil.get_terminal_size().columns
        super().__init__(indent_increment, width=max(20, min(columns, WIDEST) - 1))

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the line that shows how a command is called."""
        self.write(wrap(f"{prefix or 'Usage: '}{prog} {args}", self.width, indent="    ") + "\n")

    def write_text(self, text: str) -> None:
        """Write paragraphs."""
        margin = " " * self.current_indent
        paragraphs = [" ".join(one.split()) for one in text.split("\n\n")]
        self.write("\n\n".join(wrap(f"{margin}{one}", self.width) for one in paragraphs) + "\n")

    def write_dl(self, rows: Any, col_max: int = 30, col_spacing: int = 2) -> None:
        """Write names with their meanings, next to each other where there is room."""
        rows = list(rows)
        margin = " " * self.current_indent
        column = min(max((measure(one) for one, _ in rows), default=0), col_max) + col_spacing
        is_narrow = self.width < NARROW
        deep = f"{margin}    " if is_narrow else margin + " " * column
        for name, meaning in rows:
            text = wrap(f"{deep}{' '.join(meaning.split())}", self.width) if meaning else ""
            fits = not is_narrow and measure(name) + col_spacing <= column
            if fits and text:
                self.write(f"{margin}{name}{text[len(margin) + len(name) :]}\n")
            else:
                self.write(wrap(f"{margin}{name.rstrip()}", self.width, indent="    ") + "\n")
                self.write(f"{text}\n" if text else "")


class HelpContext(_Context):  # type: ignore[misc]
    """A context whose help pages are written by our formatter."""

    formatter_class = HelpFormatter


def use_help_pages(command: Any) -> None:
    """Have a command and those below it write their help by our formatter."""
    command.context_class = HelpContext
    for inner in getattr(command, "commands", {}).values():
        use_help_pages(inner)


def write_sections(formatter: Any, commands: Mapping[str, Any]) -> None:
    """Write the application's commands in their sections, with those of packages at the end."""
    left = dict(commands)
    for title, names in SECTIONS.items():
        rows = [(name, left.pop(name)) for name in names if name in left]
        _write_section(formatter, title, rows)
    _write_section(formatter, OTHERS, list(left.items()))


def _write_section(formatter: Any, title: str, rows: Sequence[tuple[str, Any]]) -> None:
    if not rows:
        return
    column = max(len(name) for name in (*_NAMED, *(name for name, _ in rows)))
    columns = WIDEST - 1 if formatter.width < NARROW else formatter.width
    room = columns - column - 6
    with formatter.section(title):
        # One width for all sections, so that the meanings stand below each other.
        shown = [(name.ljust(column), command.get_short_help_str(room)) for name, command in rows]
        formatter.write_dl(shown)
