"""What the terminals of stdout and stderr can do: their width, colours, and moving lines."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TextIO

PIPE_WIDTH = 240
"""Columns if there is no terminal: a path in a log must not be broken into lines."""
DUMB_TERMINALS = frozenset({"dumb", "unknown"})
"""Terminals that can neither move the cursor nor show colours, such as a shell in an editor."""


def is_terminal(stream: TextIO | None) -> bool:
    """Check whether people read this stream as it is written."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # it is closed
        return False


def is_interactive(stream: TextIO | None) -> bool:
    """Check whether lines of this stream can be redrawn, as bars of progress are."""
    return is_terminal(stream) and not is_dumb()


def is_dumb() -> bool:
    return os.environ.get("TERM", "").lower() in DUMB_TERMINALS


def has_colors(stream: TextIO | None) -> bool:
    """Check whether texts on this stream may be coloured (https://no-color.org)."""
    return is_interactive(stream) and not os.environ.get("NO_COLOR")


def find_width(stream: TextIO | None) -> int | None:
    """Return the columns of the stream's terminal; None where lines may be as long as they are.

    COLUMNS counts without a terminal too: nobody exports it by accident.
    """
    named = os.environ.get("COLUMNS", "")
    if named.isdecimal() and int(named) > 0:
        return int(named)
    return shutil.get_terminal_size().columns if is_terminal(stream) else None


def paint(text: str, color: str, stream: TextIO | None = None) -> str:
    """Return a text in a colour, bold, where the stream (stderr by default) shows colours."""
    if not has_colors(sys.stderr if stream is None else stream):
        return text
    return f"\x1b[1;{_CODES[color]}m{text}\x1b[0m"


_CODES = {"red": 31, "green": 32, "yellow": 33, "default": 39}
