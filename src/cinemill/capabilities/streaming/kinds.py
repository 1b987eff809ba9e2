"""Kinds of step of streaming, and the queues that they run in."""

from __future__ import annotations

from cinemill.jobs.catalog import MINUTE, Rate, StepKind

OPEN_STREAM = "open_stream"
BUILD_LADDER = "build_ladder"


STEPS = (
    # Tried once: the rungs wait for it, and a video is watchable without it.
    StepKind(
        OPEN_STREAM,
        "transcode",
        weight=3,
        max_retries=0,
        max_crashes=1,
        rate=Rate(20, MINUTE),
        is_optional=True,
    ),
    StepKind(BUILD_LADDER, "transcode", weight=90),
)
