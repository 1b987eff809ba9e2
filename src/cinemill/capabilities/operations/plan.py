"""Parameters of operations to their steps."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cinemill.capabilities.operations import kinds
from cinemill.core.job import StepSpec
from cinemill.core.parameters import MAX_NUMBER, Parameters

MAX_OUTPUT_AGE_DAYS = 7.0
MAX_OUTPUT_GIGABYTES = 50.0

Amount = Annotated[float, Field(ge=0, le=MAX_NUMBER)]


class CleanupParameters(Parameters):
    """Limits on the named outputs that are kept."""

    max_age_days: Amount = MAX_OUTPUT_AGE_DAYS
    """Remove outputs that are older than this, in days."""
    max_size_gb: Amount = MAX_OUTPUT_GIGABYTES
    """Then remove the oldest until all together are smaller than this, in gigabytes."""


def plan_cleanup(params: CleanupParameters, _asset_id: str | None) -> list[StepSpec]:
    """Plan the removal of named outputs that are too old or too many."""
    return [StepSpec("clean", kinds.CLEAN_OUTPUTS, params.model_dump())]
