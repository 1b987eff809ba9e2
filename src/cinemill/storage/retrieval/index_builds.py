"""The build of an index, watched by a step that waits for it and may leave it to PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass

from sqlalchemy import Connection, text

from cinemill.storage.database import Database
from cinemill.storage.retrieval.models import EmbeddingModel, build_index

WATCH_SECONDS = 0.5
"""Between two looks at a build."""
_LOADING = "building index"
"""How PostgreSQL's names of the phase begin that takes nearly all of the time."""
_BEFORE_LOADING = ("", "initializing", "waiting for writers before build")
_WAITING = "waiting for"


class _NobodyWaits(Exception):
    """Ends a thread that has not begun to build."""


@dataclass(frozen=True, slots=True)
class IndexBuild:
    """How far the build of an index is."""

    seconds: float
    """Since the caller began to wait for it."""
    phase: str
    """PostgreSQL's name for what it does; empty where no build has begun."""
    share: float
    """0–1 of the vectors' table that is in the index."""

    @property
    def is_held_up(self) -> bool:
        """Return whether it waits for transactions of others, such as a backup."""
        return self.phase.startswith(_WAITING)


def await_index(
    database: Database, model: EmbeddingModel, *, on_wait: Callable[[IndexBuild], None]
) -> None:
    """Build the index of a model's vectors unless it exists, and watch it being built.

    ``on_wait`` is called about twice a second, on the caller's thread, also while another worker
    builds the index. It may raise to stop waiting: PostgreSQL goes on with a build that has begun,
    for all who need it, and the next caller waits for that one.

    Raises what ``on_wait`` raises, DatabaseUnavailable, and LockTimeout.
    """
    is_left = threading.Event()
    build: Future[None] = Future()
    # Nothing joins it: a statement that builds cannot be left otherwise without ending it, and a
    # process that exits need not wait for an hour.
    threading.Thread(
        target=_build, args=(database, model, is_left, build), name="index build", daemon=True
    ).start()
    began = time.monotonic()
    try:
        while not wait([build], WATCH_SECONDS).done:
            with database.once() as connection:
                state = _read_build(connection, model, time.monotonic() - began)
            on_wait(state)
    finally:
        is_left.set()
    build.result()


def _build(
    database: Database, model: EmbeddingModel, is_left: threading.Event, build: Future[None]
) -> None:
    def check() -> None:
        if is_left.is_set():
            raise _NobodyWaits

    try:
        build_index(database, model, on_wait=check)
    except BaseException as error:  # noqa: BLE001 - raised again where the build is waited for
        build.set_exception(error)
    else:
        build.set_result(None)


def _read_build(connection: Connection, model: EmbeddingModel, seconds: float) -> IndexBuild:
    query = text(
        """
        SELECT phase, coalesce(CAST(blocks_done AS float) / nullif(blocks_total, 0), 0) AS share
        FROM pg_stat_progress_create_index
        WHERE datname = current_database() AND relid = to_regclass(:name)
        """
    )
    row = connection.execute(query, {"name": model.partition}).first()
    phase = "" if row is None else str(row.phase)
    if row is not None and phase.startswith(_LOADING):
        return IndexBuild(seconds, phase, min(1.0, row.share))
    # Blocks are counted from the start again when the index is validated.
    return IndexBuild(seconds, phase, 0.0 if phase in _BEFORE_LOADING else 1.0)
