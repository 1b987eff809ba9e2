"""Kinds of step of embeddings, and the queue that they run in."""

from __future__ import annotations

from cinemill.jobs.catalog import GIB, HOUR, HOUR_LIMITS, Queue, StepKind
from cinemill.steps.ingestion.kinds import (
    EMBED_PICTURES,
    EMBED_TEXT,
    FUSE_EMBEDDINGS,
    INDEX_EMBEDDINGS,
)

PROJECT_EMBEDDINGS = "project_embeddings"
REBUILD_PROJECTION = "rebuild_projection"

QUEUES = (
    Queue(
        "embeddings",
        7,
        2 * GIB,
        25,
        **HOUR_LIMITS,
        description="Text and pictures as vectors, and indexes",
    ),
)
STEPS = (
    StepKind(EMBED_TEXT, "embeddings", weight=5),
    StepKind(EMBED_PICTURES, "embeddings", weight=15),
    StepKind(FUSE_EMBEDDINGS, "embeddings", weight=1),
    StepKind(INDEX_EMBEDDINGS, "embeddings", weight=3),
    # Exact distances to ten million vectors take minutes without progress.
    StepKind(PROJECT_EMBEDDINGS, "embeddings", stall_seconds=HOUR),
    StepKind(REBUILD_PROJECTION, "embeddings", stall_seconds=HOUR),
)
