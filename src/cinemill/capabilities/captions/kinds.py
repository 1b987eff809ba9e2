"""Kinds of step of captions, and the queues that they run in."""

from __future__ import annotations

from cinemill.jobs.catalog import GIB, LONG_LIMITS, MINUTE, Queue, Rate, StepKind
from cinemill.steps.ingestion.kinds import CAPTION_SPEECH, TRANSCRIBE_SPEECH

WRITE_CAPTIONS = "write_captions"

QUEUES = (Queue("caption", 5, 6 * GIB, 10, **LONG_LIMITS, description="Speech to text"),)
STEPS = (
    # A large model on a small machine needs more time for a window than an encoder may pause.
    StepKind(
        TRANSCRIBE_SPEECH, "caption", weight=92, rate=Rate(5, MINUTE), stall_seconds=15 * MINUTE
    ),
    StepKind(WRITE_CAPTIONS, "default", weight=1),
    StepKind(CAPTION_SPEECH, "orchestration"),
)
