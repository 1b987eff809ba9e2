"""How much memory commands took, told to whoever asked: no function's answer has room for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_told: ContextVar[Callable[[int], None] | None] = ContextVar("told", default=None)


@contextmanager
def hear_memory(tell: Callable[[int], None]) -> Iterator[None]:
    """Until the end of the block, ``tell`` is given the largest resident bytes of each command of
    this thread."""
    before = _told.set(tell)
    try:
        yield
    finally:
        _told.reset(before)


def tell_memory(peak_bytes: int) -> None:
    tell = _told.get()
    if tell is not None:
        tell(peak_bytes)
