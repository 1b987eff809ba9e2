"""The catalog: the queues and kinds of every capability, composed.

Capabilities of installed packages are found here, once in each process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cinemill.capabilities import (
    analysis,
    captions,
    detection,
    embeddings,
    ingest,
    knowledge,
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
    analysis.CAPABILITY,
    embeddings.CAPABILITY,
    knowledge.CAPABILITY,
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
UNOWNED_QUEUES = _SHARED_QUEUES

COMPOSITION = compose(BUILT_IN, UNOWNED_QUEUES, discover())
CAPABILITIES: Sequence[Capability] = COMPOSITION.capabilities
CATALOG = COMPOSITION.catalog
QUEUES: Mapping[str, Queue] = CATALOG.queues
STEP_KINDS: Mapping[str, StepKind] = CATALOG.steps
JOB_KINDS: Mapping[str, JobKind[Any]] = CATALOG.jobs
COMMON_QUEUES = tuple(list_common(QUEUES))
