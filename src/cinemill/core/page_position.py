"""Where the next page of a list by time begins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PagePosition:
    """The last entry of the previous page; lists go on after it."""

    at: datetime
    id: str
