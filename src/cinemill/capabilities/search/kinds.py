"""Kinds of step of search, and the queue that they run in."""

from __future__ import annotations

from cinemill.jobs.catalog import StepKind
from cinemill.steps.ingestion.kinds import WRITE_PASSAGES

STEPS = (StepKind(WRITE_PASSAGES, "orchestration"),)
