"""The catalog: the queues and kinds of every capability, composed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cinemill.capabilities import (
    captions,
    ingest,
    operations,
    previews,
    render,
    streaming,
    transcode,
)
from cinemill.jobs.catalog import (
    GIB,
    HOUR_LIMITS,
    SHORT_LIMITS,
    Catalog,
    JobKind,
    Queue,
    StepKind,
    by_name,
    list_common,
)
from cinemill.steps.capability import Capability

CAPABILITIES: Sequence[Capability] = (
    ingest.CAPABILITY,
    transcode.CAPABILITY,
    streaming.CAPABILITY,
    previews.CAPABILITY,
    render.CAPABILITY,
    captions.CAPABILITY,
    operations.CAPABILITY,
)

_SHARED_QUEUES = (
    Queue("runtime", 10, GIB, 25, **SHORT_LIMITS, meaning="Search and answers; interactive"),
    Queue("default", 5, 2 * GIB, 25, **HOUR_LIMITS, meaning="All that names no other"),
)
_PLANNED_QUEUES = (
    Queue("embeddings", 7, 2 * GIB, 25, **HOUR_LIMITS, meaning="Text and picture vectors"),
    Queue("knowledge_graph", 6, 7 * GIB // 2, 25, **HOUR_LIMITS, meaning="Entities, relations"),
    Queue("video_analysis", 5, 4 * GIB, 25, **HOUR_LIMITS, meaning="Shots, key frames"),
    Queue("detection", 5, 4 * GIB, 25, **HOUR_LIMITS, meaning="Deepfake analysis"),
)
"""Of capabilities to come; users' scripts name them already."""

QUEUES: Mapping[str, Queue] = by_name(
    sorted(
        (*_SHARED_QUEUES, *_PLANNED_QUEUES, *(q for one in CAPABILITIES for q in one.queues)),
        key=lambda queue: -queue.priority,
    )
)
COMMON_QUEUES = tuple(list_common(QUEUES))
STEP_KINDS: Mapping[str, StepKind] = by_name([kind for one in CAPABILITIES for kind in one.steps])
JOB_KINDS: Mapping[str, JobKind[Any]] = by_name([kind for one in CAPABILITIES for kind in one.jobs])

CATALOG = Catalog(queues=QUEUES, steps=STEP_KINDS, jobs=JOB_KINDS)
