"""Kinds of step of analysis, and the queue that they run in."""

from __future__ import annotations

from cinemill.jobs.catalog import GIB, HOUR_LIMITS, Queue, StepKind
from cinemill.steps.ingestion.kinds import (
    ANALYZE_CHUNK,
    ANALYZE_WITH_NVIDIA,
    ANALYZE_WITH_REKOGNITION,
    CHUNK_VIDEO,
    CLASSIFY_SOUND,
    DESCRIBE_RANGE,
    DETECT_SHOTS,
    EXTRACT_KEYFRAMES,
    MERGE_CHUNKS,
    MERGE_DESCRIPTIONS,
)

REPLY_SECONDS = 400.0
"""How long one request to a service may take without progress; its own limits end it before."""

QUEUES = (Queue("video_analysis", 5, 4 * GIB, 25, **HOUR_LIMITS, description="What videos show"),)
STEPS = (
    StepKind(DETECT_SHOTS, "video_analysis", weight=20),
    StepKind(EXTRACT_KEYFRAMES, "video_analysis", weight=15),
    StepKind(CHUNK_VIDEO, "orchestration"),
    StepKind(ANALYZE_CHUNK, "video_analysis", weight=40),
    StepKind(MERGE_CHUNKS, "video_analysis", weight=2),
    StepKind(CLASSIFY_SOUND, "video_analysis", weight=5),
    StepKind(ANALYZE_WITH_REKOGNITION, "video_analysis", weight=40, stall_seconds=REPLY_SECONDS),
    StepKind(ANALYZE_WITH_NVIDIA, "video_analysis", weight=40),
    StepKind(DESCRIBE_RANGE, "video_analysis", weight=5, stall_seconds=REPLY_SECONDS),
    StepKind(MERGE_DESCRIPTIONS, "video_analysis", weight=1),
)
