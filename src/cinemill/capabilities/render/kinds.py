"""Kinds of step of rendering, and the queues that they run in."""

from __future__ import annotations

from cinemill.jobs.catalog import GIB, LONG_LIMITS, MINUTE, Queue, Rate, StepKind

FETCH_SOURCES = "gather_sources"
VALIDATE_RENDER = "open_render"
RENDER_PIECES = "render_pieces"
MIX_AUDIO = "mix_sound"
JOIN_RENDER = "join_render"
SUBMIT_BATCH = "submit_batch"
COLLECT_BATCH = "collect_batch"

QUEUES = (Queue("render", 5, 4 * GIB, 10, **LONG_LIMITS, description="Rendering timelines"),)
STEPS = (
    StepKind(FETCH_SOURCES, "ingestion", weight=5),
    StepKind(VALIDATE_RENDER, "render", weight=1, rate=Rate(10, MINUTE)),
    StepKind(RENDER_PIECES, "render", weight=20),
    StepKind(MIX_AUDIO, "render", weight=5),
    StepKind(JOIN_RENDER, "render", weight=4),
    StepKind(SUBMIT_BATCH, "default"),
    StepKind(COLLECT_BATCH, "orchestration", weight=99),
)
