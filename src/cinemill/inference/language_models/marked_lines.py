"""Texts of videos as a language model is shown them: hostile text is data, in a marked block.

The marks and the ids are random for each request, so that no video can contain them. Each document
is one line of JSON, so that no text can end its line or its block.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from cinemill.core.documents import JsonObject

_ID_LETTERS = "bcdfghjkmnpqrstvwxz"
_ID_LENGTH = 6


@dataclass(frozen=True, slots=True)
class MarkedLines:
    """A block of documents between two lines that nobody could know before."""

    mark: str
    """Stands in the line before the block and in the one after it."""
    lines: tuple[str, ...]
    """With those two."""


def make_ids(count: int) -> list[str]:
    """Return so many different ids, of six consonants each."""
    ids: dict[str, None] = {}
    while len(ids) < count:
        ids["".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))] = None
    return list(ids)


def mark_lines(documents: Iterable[JsonObject]) -> MarkedLines:
    """Return documents as a block, each on a line of its own."""
    mark = secrets.token_hex(12)
    written = (json.dumps(one, ensure_ascii=False) for one in documents)
    return MarkedLines(mark, (f"BEGIN {mark}", *written, f"END {mark}"))
