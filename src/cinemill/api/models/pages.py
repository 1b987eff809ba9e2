"""Pages of lists: how many entries one has, and where the next one begins.

A cursor holds the position of a page's last entry, so entries that are added or deleted in the
meantime neither repeat nor hide others. Clients pass it on as it is.
"""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from fastapi import Query

from cinemill.api.models.documents import Document
from cinemill.core.documents import find_text_problem
from cinemill.core.page_position import PagePosition
from cinemill.core.text.storable_text import Text
from cinemill.errors import InputRejected

MOST_ENTRIES = 500
LONGEST_CURSOR = 2000

PageLimit = Annotated[
    int, Query(ge=1, le=MOST_ENTRIES, description="Maximum number of entries in the response.")
]
Cursor = Annotated[
    Text | None,
    Query(
        max_length=LONGEST_CURSOR,
        description="The `next` of the previous page; without it, the first page is returned.",
    ),
]
Entry = TypeVar("Entry")


class CursorInvalid(InputRejected):
    """A cursor that no page of this list has returned."""

    code = "cursor_invalid"
    hint = "Send the 'next' of the previous page as it is, or start again without 'cursor'."


class Page(Document):
    """Entries of a list."""

    next: str | None
    """Send it as `cursor` for the next page; null on the last page."""


def cut_page(found: Sequence[Entry], limit: int) -> tuple[list[Entry], bool]:
    """Return the first ``limit`` entries, and whether more were found."""
    return list(found[:limit]), len(found) > limit


def encode_cursor(*parts: str) -> str:
    """Return a cursor that holds these texts."""
    # Escaped, a name of 255 Chinese characters would be longer than a cursor may be.
    text = json.dumps(parts, ensure_ascii=False)
    return urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def decode_cursor(cursor: str, count: int) -> list[str]:
    """Return the ``count`` texts that a cursor holds. Raises CursorInvalid."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        parts = json.loads(urlsafe_b64decode(padded))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise cursor_invalid() from error
    if not isinstance(parts, list) or len(parts) != count:
        raise cursor_invalid()
    texts = [part for part in parts if isinstance(part, str) and not find_text_problem(part)]
    if len(texts) < count:
        raise cursor_invalid()
    return texts


def encode_position(at: datetime, entry_id: str) -> str:
    """Return a cursor for the entries that come after this one in a list by time."""
    return encode_cursor(at.isoformat(), entry_id)


def decode_position(cursor: str | None) -> PagePosition | None:
    """Return where a list by time goes on; None for its beginning. Raises CursorInvalid."""
    if cursor is None:
        return None
    text, entry_id = decode_cursor(cursor, 2)
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise cursor_invalid()
        return PagePosition(at.astimezone(UTC), entry_id)
    except (ValueError, OverflowError) as error:
        raise cursor_invalid() from error


def decode_index(cursor: str | None, version: str) -> int:
    """Return where a list goes on that is read as a whole; 0 for its beginning.

    Raises CursorInvalid where the cursor belongs to another version of the list.
    """
    if cursor is None:
        return 0
    held, index = decode_cursor(cursor, 2)
    if held != version or not (index.isascii() and index.isdecimal() and len(index) < 10):
        raise cursor_invalid()
    return int(index)


def cursor_invalid() -> CursorInvalid:
    """Return the error for a cursor that no page of the list has returned."""
    return CursorInvalid("This cursor does not belong to this list.")
