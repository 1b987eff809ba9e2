"""Kinds of step of previews, and the queues that they run in."""

from __future__ import annotations

from cinemill.jobs.catalog import GIB, HOUR_LIMITS, Queue, StepKind

EXTRACT_STILLS = "extract_stills"
EXTRACT_THUMBNAIL = "extract_thumbnail"

QUEUES = (
    Queue("preview", 5, 2 * GIB, 25, **HOUR_LIMITS, description="Extracting stills from a video"),
)
STEPS = (
    StepKind(EXTRACT_STILLS, "preview", weight=93),
    StepKind(EXTRACT_THUMBNAIL, "preview", weight=93),
)
