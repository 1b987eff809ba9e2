"""Kinds of step of streaming, and the queues that they run in."""

from __future__ import annotations

from cinemill.jobs.catalog import MINUTE, Rate, StepKind

OPEN_STREAM = "open_stream"
BUILD_LADDER = "build_ladder"


STEPS = (
    StepKind(OPEN_STREAM, "transcode", weight=3, rate=Rate(20, MINUTE)),
    StepKind(BUILD_LADDER, "transcode", weight=90),
)
