"""Encoding in hardware, as the engine sees it: where its work waits, who offers it, who rests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

QUEUE_PREFIX = "gpu_"


def name_queue(codec: str) -> str:
    """Return the queue of work that requests hardware which encodes ``codec``."""
    return f"{QUEUE_PREFIX}{codec}"


@dataclass(frozen=True, slots=True)
class Offer:
    """One hardware encoder of one worker, as it was announced."""

    node: str
    """The worker's, as Celery calls it."""
    encoder: str
    """As FFmpeg calls it."""
    codec: str
    rests_seconds: float | None
    """It failed too often, and is tried again in so long; None: it is in service."""
    reason: str
    """How it failed last; empty where it has not since it last worked."""

    @property
    def is_open(self) -> bool:
        """Whether work may go there."""
        return self.rests_seconds is None

    def to_json(self) -> dict[str, Any]:
        return {
            "node": self.node,
            "encoder": self.encoder,
            "codec": self.codec,
            "state": "serving" if self.is_open else "resting",
            "rests_seconds": self.rests_seconds,
            "reason": self.reason,
        }
