"""Parameters of analyses to their steps."""

from __future__ import annotations

from cinemill.core.job import StepSpec
from cinemill.steps.ingestion import kinds
from cinemill.steps.source.plan import SourceParameters, plan_report, plan_source


def plan_shots(params: SourceParameters, asset_id: str | None) -> list[StepSpec]:
    """Plan the shots of a video. Raises InputRejected (``source_missing``)."""
    return plan_report(_plan_shots(params, asset_id), "shots")


def _plan_shots(params: SourceParameters, asset_id: str | None) -> list[StepSpec]:
    return [
        *plan_source(kinds.DETECT_SHOTS, params, asset_id),
        StepSpec("shots", kinds.DETECT_SHOTS, after=("probe",)),
    ]


def plan_keyframes(params: SourceParameters, asset_id: str | None) -> list[StepSpec]:
    """Plan the key frames of a video. Raises InputRejected (``source_missing``)."""
    steps = [
        *_plan_shots(params, asset_id),
        StepSpec("keyframes", kinds.EXTRACT_KEYFRAMES, after=("shots",)),
    ]
    return plan_report(steps, "keyframes")
