"""The catalog: the queues and kinds of every capability, composed.

Capabilities of installed packages are found here, once in each process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cinemill.capabilities import (
    captions,
    detection,
    ingest,
    models,
    operations,
    previews,
    render,
    search,
    streaming,
    transcode,
)
from cinemill.capability.composition import compose
from cinemill.jobs.catalog import (
    GIB,
    HOUR_LIMITS,
    SHORT_LIMITS,
    JobKind,
    Queue,
    StepKind,
    list_common,
)
from cinemill.steps.capability import Capability
from cinemill.steps.discovery import discover

BUILT_IN: Sequence[Capability] = (
    ingest.CAPABILITY,
    transcode.CAPABILITY,
    streaming.CAPABILITY,
    previews.CAPABILITY,
    render.CAPABILITY,
    captions.CAPABILITY,
    detection.CAPABILITY,
    search.CAPABILITY,
    models.CAPABILITY,
    operations.CAPABILITY,
)

_SHARED_QUEUES = (
    Queue("runtime", 10, GIB, 25, **SHORT_LIMITS, description="Interactive search and questions"),
    Queue(
        "default",
        5,
        2 * GIB,
        25,
        **HOUR_LIMITS,
        description="Everything without a queue of its own",
    ),
)
_PLANNED_QUEUES = (
    Queue("embeddings", 7, 2 * GIB, 25, **HOUR_LIMITS, description="Text and image embeddings"),
    Queue("knowledge_graph", 6, 7 * GIB // 2, 25, **HOUR_LIMITS, description="Entities, relations"),
    Queue("video_analysis", 5, 4 * GIB, 25, **HOUR_LIMITS, description="Shots, key frames"),
)
"""Of capabilities to come; users' scripts name them already."""

UNOWNED_QUEUES = (*_SHARED_QUEUES, *_PLANNED_QUEUES)

COMPOSITION = compose(BUILT_IN, UNOWNED_QUEUES, discover())
CAPABILITIES: Sequence[Capability] = COMPOSITION.capabilities
CATALOG = COMPOSITION.catalog
QUEUES: Mapping[str, Queue] = CATALOG.queues
STEP_KINDS: Mapping[str, StepKind] = CATALOG.steps
JOB_KINDS: Mapping[str, JobKind[Any]] = CATALOG.jobs
COMMON_QUEUES = tuple(list_common(QUEUES))
