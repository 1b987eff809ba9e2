"""Parameters of ingest to its steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cinemill.capabilities.ingest import kinds
from cinemill.core.job import StepSpec
from cinemill.steps.parameters import check_names, check_timestamp
from cinemill.steps.source_plan import plan_source


def plan_video(params: Mapping[str, Any], asset_id: str | None) -> list[StepSpec]:
    """A film into its proxy and all else that ingest makes.

    A job for an asset that is stored starts at the probe; one for a ``path`` fetches it first.
    """
    check_names(params, {"path", "thumbnail_seconds"})
    check_timestamp(params, "thumbnail_seconds")
    return [
        *plan_source("process_video", params, asset_id),
        StepSpec("prepare", kinds.PREPARE_SOURCE, after=("probe",)),
    ]
