"""Breaks lines between words only: a path or an id that is cut in two cannot be copied."""

from __future__ import annotations

import re
import unicodedata

_SPACES = re.compile(r"[ \t]+")
_STYLES = re.compile(r"\x1b\[[0-9;]*m")


def measure(text: str) -> int:
    """Return the columns that a text takes, whose colours take none."""
    return sum(_measure_character(one) for one in _STYLES.sub("", text))


def wrap(text: str, width: int | None, *, indent: str = "") -> str:
    """Return a text with lines of at most ``width`` columns; a longer word has a line to itself.

    Lines after a break begin with ``indent`` in addition to what their own line begins with.
    Without a width, the text is returned as it is.
    """
    if width is None:
        return text
    return "\n".join(_wrap_line(line, width, indent) for line in text.split("\n"))


def _wrap_line(line: str, width: int, indent: str) -> str:
    if measure(line) <= width:
        return line
    words = line.strip(" \t")
    margin = line[: len(line) - len(line.lstrip(" \t"))]
    lines: list[str] = []
    current = margin
    is_empty = True
    for word in _SPACES.split(words):
        if not is_empty and measure(current) + 1 + measure(word) > width:
            lines.append(current)
            current, is_empty = margin + indent, True
        current += word if is_empty else f" {word}"
        is_empty = False
    return "\n".join([*lines, current])


def _measure_character(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
