"""Kinds of step of embeddings, and the queue that they run in."""

from __future__ import annotations

from cinemill.jobs.catalog import GIB, HOUR_LIMITS, Queue, StepKind
from cinemill.steps.ingestion.kinds import EMBED_TEXT, INDEX_EMBEDDINGS

QUEUES = (
    Queue("embeddings", 7, 2 * GIB, 25, **HOUR_LIMITS, description="Text as vectors, and indexes"),
)
STEPS = (
    StepKind(EMBED_TEXT, "embeddings", weight=5),
    StepKind(INDEX_EMBEDDINGS, "embeddings", weight=3),
)
