"""Kinds of step of models."""

from __future__ import annotations

from cinemill.jobs.catalog import MINUTE, StepKind

FETCH_MODEL = "fetch_model"
FETCH_SPEECH_MODEL = "fetch_speech_model"
"""Runs where captions are made, which may be other machines."""

STEPS = (
    StepKind(FETCH_MODEL, "default", stall_seconds=15 * MINUTE),
    StepKind(FETCH_SPEECH_MODEL, "caption", stall_seconds=15 * MINUTE),
)
