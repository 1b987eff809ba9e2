"""Kinds of step of analysis, and the queue that they run in."""

from __future__ import annotations

from cinemill.jobs.catalog import GIB, HOUR_LIMITS, Queue, StepKind
from cinemill.steps.ingestion.kinds import (
    ANALYZE_CHUNK,
    CHUNK_VIDEO,
    CLASSIFY_SOUND,
    DETECT_SHOTS,
    EXTRACT_KEYFRAMES,
    MERGE_CHUNKS,
)

QUEUES = (Queue("video_analysis", 5, 4 * GIB, 25, **HOUR_LIMITS, description="What videos show"),)
STEPS = (
    StepKind(DETECT_SHOTS, "video_analysis", weight=20),
    StepKind(EXTRACT_KEYFRAMES, "video_analysis", weight=15),
    StepKind(CHUNK_VIDEO, "orchestration"),
    StepKind(ANALYZE_CHUNK, "video_analysis", weight=40),
    StepKind(MERGE_CHUNKS, "video_analysis", weight=2),
    StepKind(CLASSIFY_SOUND, "video_analysis", weight=5),
)
