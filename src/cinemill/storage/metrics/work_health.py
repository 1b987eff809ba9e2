"""Whether work is done: workers for every queue, and a relay that hands work out.

``/health``, ``cinemill status`` and ``cinemill doctor`` judge by these, and so they agree.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, text

from cinemill.storage.metrics.live_workers import LiveWorker

SILENT_SECONDS = 30.0
"""A relay notes the time at each turn, at least every ten seconds; as with workers, three of them
may be missed."""


class WorkState(StrEnum):
    """Whether there is somebody to do what has to be done."""

    OK = "ok"
    NONE = "none"
    """Nobody does it."""
    INCOMPLETE = "incomplete"
    """There are workers, but none for some queue."""


@dataclass(frozen=True, slots=True)
class Workforce:
    """The live workers together."""

    state: WorkState
    unserved: tuple[str, ...]
    """Queues that no live worker consumes."""


def judge_workers(workers: Sequence[LiveWorker], queues: Collection[str]) -> Workforce:
    """Return whether live workers consume all of these queues."""
    served = {name for worker in workers for name in worker.queues}
    unserved = tuple(name for name in queues if name not in served)
    if not served.intersection(queues):
        return Workforce(WorkState.NONE, unserved)
    return Workforce(WorkState.INCOMPLETE if unserved else WorkState.OK, unserved)


def judge_relay(silent_seconds: float | None) -> WorkState:
    """Return whether a relay that was last seen so long ago still runs; None: none ever ran."""
    is_recent = silent_seconds is not None and silent_seconds < SILENT_SECONDS
    return WorkState.OK if is_recent else WorkState.NONE


def read_relay_silence(connection: Connection) -> float | None:
    """Return for how many seconds no relay has noted the time; None where none ever has.

    While relays run, one corrects what it noted within a turn after the clock was set.
    """
    if connection.execute(text("SELECT to_regclass('engine_clock')")).scalar() is None:
        return None  # an empty database
    query = text(
        """
        SELECT abs(extract(epoch FROM clock_timestamp() - seen_at))::float8 FROM engine_clock
        """
    )
    found: float | None = connection.execute(query).scalar()
    return found
