"""Texts of others made fit to print: no control characters, and JSON that any stream can carry."""

from __future__ import annotations

import codecs
import json
import re
from typing import TextIO

# Those of C0 and C1, but tab and line end. Terminals obey them: names of videos, messages of
# servers and lines of logs could clear the screen, or type for the user.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_OWN_STYLES = re.compile(r"(\x1b\[(?:0|1;3[1-9])m)")
"""What :func:`~cinemill.cli.terminal.screen.paint` writes."""
_CONTROLS_IN_JSON = re.compile(r"[\x7f-\x9f]")
_NOT_ASCII = re.compile(r"[^\x00-\x7e]")


def escape(text: str) -> str:
    """Return a text with its control characters written out, as ``\\x1b``."""
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def escape_around_colors(text: str) -> str:
    """Return a text of ours with the control characters of others written out, but our colors."""
    return "".join(
        part if number % 2 else escape(part) for number, part in enumerate(_OWN_STYLES.split(text))
    )


def dump_json(document: object, stream: TextIO | None, *, indent: int | None = None) -> str:
    """Return a document as JSON that stays JSON on this stream; see fit_json."""
    text = json.dumps(document, ensure_ascii=False, indent=indent, default=str)
    return fit_json(text, stream)


def fit_json(text: str, stream: TextIO | None) -> str:
    """Return JSON with those characters escaped that the stream cannot write, or terminals obey."""
    pattern = _CONTROLS_IN_JSON if _writes_unicode(stream) else _NOT_ASCII
    return pattern.sub(_escape_in_json, text)


def _escape_in_json(found: re.Match[str]) -> str:
    # The one character of ASCII among them is left as it is by JSON.
    return r"\u007f" if found[0] == "\x7f" else json.dumps(found[0])[1:-1]


def _writes_unicode(stream: TextIO | None) -> bool:
    # Those in memory, which have no encoding, take every character.
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        return codecs.lookup(encoding).name.startswith("utf-")
    except LookupError:
        return False
