"""The loaded models of a process, within a limit of memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cinemill.inference.models.cards import ModelCard
from cinemill.inference.sessions.open_session import open_session
from cinemill.inference.sessions.process_device import process_options
from cinemill.inference.sessions.protocol import ImageSession
from cinemill.telemetry import get_logger

DEFAULT_LIMIT_BYTES = 1024**3

log = get_logger(__name__)

Opener = Callable[[ModelCard, Path], ImageSession]


@dataclass(slots=True)
class _Entry:
    session: ImageSession
    users: int = field(default=0)


class SessionCache:
    """Keeps sessions open and closes those that were not used for the longest time.

    Not for several threads; a process has one.
    """

    def __init__(self, limit_bytes: int, *, opener: Opener = open_session) -> None:
        self._limit_bytes = limit_bytes
        self._opener = opener
        self._entries: OrderedDict[tuple[str, str, Path], _Entry] = OrderedDict()

    @property
    def memory_bytes(self) -> int:
        """Return how much memory the open sessions were measured to take."""
        return sum(entry.session.memory_bytes for entry in self._entries.values())

    @contextmanager
    def use(self, card: ModelCard, folder: Path) -> Iterator[ImageSession]:
        """Yield the model's session; it stays open within the block whatever else is opened.

        Afterwards the memory that only its work took is released.

        ``folder`` holds the models. Raises ToolMissing (``model_missing``, ``model_damaged``,
        ``model_unusable``).
        """
        entry = self._find_or_open(card, folder)
        entry.users += 1
        self._evict()
        try:
            yield entry.session
        finally:
            entry.users -= 1
            if not entry.users:
                entry.session.release_memory()
            self._evict()

    def open(self, card: ModelCard, folder: Path) -> ImageSession:
        """Return the model's session, which a later call may close; see :meth:`use`."""
        entry = self._find_or_open(card, folder)
        entry.users += 1
        self._evict()
        entry.users -= 1
        return entry.session

    def close(self) -> None:
        """Close every session that nobody uses."""
        self._close_unused(0)

    def _find_or_open(self, card: ModelCard, folder: Path) -> _Entry:
        key = (card.name, card.revision, folder)
        if key not in self._entries:
            self._close_unused(max(1, self._limit_bytes - card.size_bytes))
            session = self._opener(card, folder)
            self._entries[key] = _Entry(session)
            log.info(
                "model loaded",
                model=card.name,
                device=session.device,
                megabytes=session.memory_bytes // 10**6,
                why_not_gpu=session.fallback_reason,
            )
        self._entries.move_to_end(key)
        return self._entries[key]

    def _evict(self) -> None:
        self._close_unused(self._limit_bytes)

    def _close_unused(self, limit_bytes: int) -> None:
        unused = [key for key, entry in self._entries.items() if not entry.users]
        for key in unused:
            if self.memory_bytes <= limit_bytes and limit_bytes:
                return
            entry = self._entries.pop(key)
            entry.session.close()
            log.info("model closed", model=entry.session.card.name)


@cache
def process_sessions() -> SessionCache:
    """Return the sessions of this process."""
    return SessionCache(
        DEFAULT_LIMIT_BYTES,
        opener=lambda card, folder: open_session(card, folder, process_options()),
    )
