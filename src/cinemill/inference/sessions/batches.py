"""Pictures in batches that fit into memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cinemill.inference.sessions.protocol import Images, OutOfMemory, Rows
from cinemill.telemetry import get_logger

BATCH_SIZE = 8
"""Larger batches were measured to be no faster on a CPU."""
GPU_BATCH_SIZE = 64

log = get_logger(__name__)


class BatchRunner:
    """Runs batches, and halves their size for good when a full one does not fit into memory.

    Of a short one only the rest of that call is divided: its size is no measure for later calls.
    """

    def __init__(self, run: Callable[[Images], Rows], size: int) -> None:
        self._run = run
        self.size = size

    def run(self, images: Images) -> Rows:
        """Return one row for each picture. Raises OutOfMemory if a single one does not fit."""
        results: list[Rows] = []
        done, size = 0, self.size
        while done < len(images) or not results:
            batch = images[done : done + size]
            try:
                results.append(self._run(batch))
            except OutOfMemory:
                if len(batch) <= 1:
                    raise
                size = len(batch) // 2
                if len(batch) == self.size:
                    self.size = size
                log.warning("out of memory, smaller batches", pictures=size)
                continue
            done, size = done + len(batch), self.size
        names = results[0].keys()
        return {name: np.concatenate([rows[name] for rows in results]) for name in names}
