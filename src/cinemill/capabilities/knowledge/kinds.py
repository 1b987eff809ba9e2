"""Kinds of step of knowledge, and the queue that they run in."""

from __future__ import annotations

from cinemill.jobs.catalog import GIB, HOUR_LIMITS, Queue, StepKind
from cinemill.steps.ingestion.kinds import (
    APPLY_CAPTION_EDITS,
    BUILD_SCENES,
    EXTRACT_ENTITIES,
    EXTRACT_RELATIONS,
)

MERGE_GRAPHS = "merge_knowledge_graphs"
REPLY_SECONDS = 400.0
"""How long one request to a language model, with its repetitions, may take without progress; its
own limits end it before."""

QUEUES = (
    Queue("knowledge_graph", 6, 7 * GIB // 2, 25, **HOUR_LIMITS, description="Entities, relations"),
)
STEPS = (
    StepKind(EXTRACT_ENTITIES, "knowledge_graph", weight=5, stall_seconds=REPLY_SECONDS),
    StepKind(EXTRACT_RELATIONS, "knowledge_graph", weight=8, stall_seconds=REPLY_SECONDS),
    StepKind(BUILD_SCENES, "knowledge_graph"),
    StepKind(MERGE_GRAPHS, "knowledge_graph"),
    StepKind(APPLY_CAPTION_EDITS, "knowledge_graph", weight=8),
)
