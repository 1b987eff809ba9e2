"""Kinds of step of detection, and the queue that they run in."""

from __future__ import annotations

from cinemill.jobs.catalog import GIB, HOUR_LIMITS, MINUTE, Queue, Rate, StepKind

LOOK_UP_ANALYSIS = "look_up_analysis"
ANALYZE_VIDEO = "analyze_video"
DELETE_EXPIRED = "delete_expired_results"

_RETRIES = 3
_RETRY_DELAY_SECONDS = 60.0
"""Before the first retry; the engine doubles it and adds jitter."""

QUEUES = (Queue("detection", 5, 4 * GIB, 25, **HOUR_LIMITS, description="Deepfake analysis"),)
STEPS = (
    # Without a rate: a video whose features are cached costs milliseconds, and no start.
    StepKind(
        LOOK_UP_ANALYSIS,
        "detection",
        weight=2,
        max_retries=_RETRIES,
        retry_delay_seconds=_RETRY_DELAY_SECONDS,
    ),
    StepKind(
        ANALYZE_VIDEO,
        "detection",
        weight=91,
        max_retries=_RETRIES,
        retry_delay_seconds=_RETRY_DELAY_SECONDS,
        rate=Rate(10, MINUTE),
    ),
    StepKind(DELETE_EXPIRED, "orchestration"),
)
