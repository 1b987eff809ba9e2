"""Names that users give to files: made fit to show, never used as a path."""

from __future__ import annotations

import re
import unicodedata

MAX_LENGTH = 255
DEFAULT = "film"

_SEPARATORS = re.compile(r"[/\\]")
# Joiners hold emoji families together; every other format character can only mislead the eye
# (a right-to-left override makes "gpj.exe" of "exe.jpg").
_JOINERS = frozenset({"\u200c", "\u200d"})
_UNSHOWN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def clean_filename(name: str) -> str:
    """Return a name for display: its last path component, one line, at most 255 long.

    Emoji and every script are kept; control characters, direction overrides and lone surrogates
    are not. Empty names, ``.`` and ``..`` become ``film``.
    """
    shown = "".join(character for character in name if _is_shown(character))
    last = _SEPARATORS.split(unicodedata.normalize("NFC", shown))[-1]
    single_spaced = " ".join(last.split())
    if not single_spaced.strip(". "):
        return DEFAULT
    return _shorten(single_spaced)


def _is_shown(character: str) -> bool:
    if character in _JOINERS:
        return True
    # Tabs and newlines become single spaces in the next step.
    if character.isspace():
        return True
    # Unassigned ("Cn") stays: next year's emoji are unassigned to this year's Python.
    return (
        unicodedata.category(character) not in _UNSHOWN_CATEGORIES
        and ord(character) & 0xFFFE != 0xFFFE
    )


def _shorten(name: str) -> str:
    """At most ``MAX_LENGTH`` characters, keeping the extension."""
    if len(name) <= MAX_LENGTH:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension) > 16:
        return name[:MAX_LENGTH].rstrip()
    return stem[: MAX_LENGTH - len(extension) - 1].rstrip() + dot + extension
