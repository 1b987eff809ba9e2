"""Ids of rows that many are made of."""

from __future__ import annotations

import secrets
import time
from uuid import UUID


def make_id() -> str:
    """Return a random UUID that begins with the time (version 7).

    Rows that are made one after the other lie side by side in each index then, and so do those that
    are worked on one after the other: with ids that are random from the beginning each would change
    a page of its own in each index, and PostgreSQL logs whole pages. The database's function
    ``make_id`` makes the same.
    """
    milliseconds = time.time_ns() // 1_000_000 & (1 << 48) - 1
    value = milliseconds << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62
    return str(UUID(int=value | secrets.randbits(62)))
