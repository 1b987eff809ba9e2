"""Kinds of step of ingest, and the queues that they run in."""

from __future__ import annotations

from cinemill.jobs.catalog import GIB, HOUR_LIMITS, Queue, StepKind
from cinemill.steps.ingestion.kinds import SUMMARIZE
from cinemill.steps.source.plan import IMPORT_SOURCE, PROBE_SOURCE, REPORT_FOUND

PREPARE_SOURCE = "prepare_source"
DESCRIBE_SOURCE = "describe_source"
SUBMIT_VIDEOS = "submit_videos"
COLLECT_VIDEOS = "collect_videos"
RETRY_FAILED = "retry_failed"

QUEUES = (
    Queue("proxy", 5, 2 * GIB, 10, **HOUR_LIMITS, description="Proxies, stills, sprites"),
    Queue(
        "ingestion", 5, 4 * GIB, 25, **HOUR_LIMITS, description="Importing and inspecting videos"
    ),
)
STEPS = (
    StepKind(IMPORT_SOURCE, "ingestion", weight=5),
    StepKind(PROBE_SOURCE, "ingestion", weight=2),
    StepKind(PREPARE_SOURCE, "proxy", weight=93),
    StepKind(DESCRIBE_SOURCE, "ingestion"),
    StepKind(SUMMARIZE, "orchestration"),
    StepKind(REPORT_FOUND, "orchestration"),
    StepKind(SUBMIT_VIDEOS, "orchestration"),
    StepKind(COLLECT_VIDEOS, "orchestration", weight=99),
    StepKind(RETRY_FAILED, "orchestration"),
)
