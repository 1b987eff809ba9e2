"""The log files as JSON objects, page by page from new to old."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.models.documents import OpenObject
from cinemill.api.models.operations import LogPage
from cinemill.api.models.pages import Cursor, CursorInvalid, decode_cursor, encode_cursor
from cinemill.api.models.problems import problems
from cinemill.api.state import AppState, StateDep
from cinemill.core.documents import is_bounded
from cinemill.core.text.storable_text import Text

router = APIRouter(tags=["operate"], route_class=BoundedRoute)

MOST_LINES = 5000
TAIL_BYTES = 1024 * 1024
"""Of each file, its last megabyte is read."""

Position = tuple[str, str, int]
"""Of a line: its time, its file, and the byte at which it begins."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a log file; a line that is not JSON is its ``event``."""

    position: Position
    entry: OpenObject


@router.get("/logs", responses=problems(422))
def read_logs(
    state: StateDep,
    limit: Annotated[int, Query(ge=1, le=MOST_LINES)] = 200,
    cursor: Cursor = None,
    service: Text | None = None,
    level: Text | None = None,
) -> LogPage:
    """Return the last lines of the log files as JSON objects, oldest first.

    The next page has older lines, as far as the last megabyte of each file goes.
    """
    before = None if cursor is None else _decode_position(cursor)
    folder = log_folder(state)
    found = read_lines(folder, service=service, level=level)
    older = found if before is None else [one for one in found if one.position < before]
    page = older[-limit:]
    time, file, offset = page[0].position if page else ("", "", 0)
    return LogPage(
        folder=str(folder),
        lines=[one.entry for one in page],
        next=encode_cursor(time, file, str(offset)) if len(older) > limit else None,
    )


def log_folder(state: AppState) -> Path:
    return state.settings.home / "log"


def read_lines(folder: Path, *, service: str | None, level: str | None) -> list[LogLine]:
    """Return the lines of all files that belong to a service and have a level, oldest first."""
    found = [
        line
        for path in folder.glob("*.log")
        for line in _read_tail(path)
        if service in (None, line.entry.get("service")) and level in (None, line.entry.get("level"))
    ]
    return sorted(found, key=lambda line: line.position)


def _read_tail(path: Path) -> Iterator[LogLine]:
    with path.open("rb") as file:
        start = max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES)
        file.seek(start)
        rows = file.read(TAIL_BYTES).splitlines(keepends=True)
    offset = start
    for number, row in enumerate(rows):
        if number or not start:  # otherwise the first line is cut in its middle
            entry = _parse_line(row) | {"file": path.name}
            yield LogLine((str(entry.get("timestamp", "")), path.name, offset), entry)
        offset += len(row)


def _parse_line(row: bytes) -> OpenObject:
    text = row.decode("utf-8", "replace").rstrip("\r\n")
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return {"event": text}
    is_readable = isinstance(entry, dict) and is_bounded(entry, most_bytes=TAIL_BYTES)
    return entry if is_readable and _is_unicode(text, entry) else {"event": text}


def _is_unicode(text: str, entry: OpenObject) -> bool:
    """Return whether no escape in the JSON text is half a surrogate pair: UTF-8 has none."""
    if "\\ud" not in text.lower():
        return True
    try:
        json.dumps(entry, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _decode_position(cursor: str) -> Position:
    time, file, offset = decode_cursor(cursor, 3)
    if not (offset.isascii() and offset.isdecimal() and len(offset) < 20):
        raise CursorInvalid("This cursor does not belong to this list.")
    return time, file, int(offset)
