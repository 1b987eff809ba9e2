"""Pictures in batches that fit into memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cinemill.inference.sessions.protocol import Images, OutOfMemory, Rows
from cinemill.telemetry import get_logger

BATCH_SIZE = 8
"""Larger batches were measured to be no faster on a CPU."""
GPU_BATCH_SIZE = 64

FetchRows = Callable[[], Rows]
"""Waits for a batch that was started, and returns its rows."""

log = get_logger(__name__)


class BatchRunner:
    """Runs batches, and halves their size for good when a full one does not fit into memory.

    Of a short one only the rest of that batch is divided: its size is no measure for later ones.

    A batch is started before the rows of the one before it are fetched, so that a GPU receives
    pictures while it works on others.
    """

    def __init__(self, start: Callable[[Images], FetchRows], size: int) -> None:
        """Run batches by ``start``, which may return before its batch is done.

        It and what it returns raise OutOfMemory.
        """
        self._start = start
        self.size = size

    def run(self, images: Images) -> Rows:
        """Return one row for each picture. Raises OutOfMemory if a single one does not fit."""
        results: list[Rows] = []
        pending: tuple[Images, FetchRows] | None = None
        done = 0
        while done < len(images) or not (results or pending):
            batch = images[done : done + self.size]
            done += len(batch)
            started = self._try_to_start(batch)
            results += self._fetch(pending)
            pending = None if started is None else (batch, started)
            if started is None:
                results += self._run_alone(batch)
        return _concatenate([*results, *self._fetch(pending)])

    def _try_to_start(self, batch: Images) -> FetchRows | None:
        try:
            return self._start(batch)
        except OutOfMemory:
            return None

    def _fetch(self, pending: tuple[Images, FetchRows] | None) -> list[Rows]:
        if pending is None:
            return []
        batch, fetch = pending
        try:
            return [fetch()]
        except OutOfMemory:
            return self._run_alone(batch)

    def _run_alone(self, batch: Images) -> list[Rows]:
        """Return the rows of a batch while no other takes memory, divided until its parts fit."""
        results: list[Rows] = []
        done, size = 0, len(batch)
        while done < len(batch) or not results:
            part = batch[done : done + size]
            try:
                results.append(self._start(part)())
            except OutOfMemory:
                if len(part) <= 1:
                    raise
                size = len(part) // 2
                if len(part) == self.size:
                    self.size = size
                log.warning("out of memory, smaller batches", pictures=size)
                continue
            done += len(part)
        return results


def run_at_once(run: Callable[[Images], Rows]) -> Callable[[Images], FetchRows]:
    """Return how batches are started where starting one is to run it, as on a CPU."""

    def start(images: Images) -> FetchRows:
        rows = run(images)
        return lambda: rows

    return start


def _concatenate(results: list[Rows]) -> Rows:
    return {name: np.concatenate([rows[name] for rows in results]) for name in results[0]}
