"""Parameters of operations to their steps."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cinemill.capabilities.operations import kinds
from cinemill.core.job import StepSpec
from cinemill.core.parameters import MAX_NUMBER, Expected, Parameters

MAX_OUTPUT_AGE_DAYS = 7.0
MAX_OUTPUT_GIGABYTES = 50.0
MOST_DAYS = 36_500.0
"""How far back jobs are looked for."""

Amount = Annotated[float, Field(ge=0, le=MAX_NUMBER)]


class CleanupParameters(Parameters):
    """Limits on the named outputs that are kept."""

    max_age_days: Amount = MAX_OUTPUT_AGE_DAYS
    """Remove outputs that are older than this, in days."""
    max_size_gb: Amount = MAX_OUTPUT_GIGABYTES
    """Then remove the oldest until all together are smaller than this, in gigabytes."""


class RetentionParameters(Parameters):
    """How long jobs are kept after they have ended."""

    days: (
        Annotated[
            float,
            Field(ge=0, le=MOST_DAYS),
            Expected(f"a number of days from 0 to {MOST_DAYS:,.0f}"),
        ]
        | None
    ) = None
    """Delete jobs that ended more than this many days ago. Null takes CINEMILL_RETENTION_DAYS."""


def plan_retention(_params: RetentionParameters, _asset_id: str | None) -> list[StepSpec]:
    """Plan the deletion of jobs that ended long ago."""
    return [StepSpec(kinds.FORGET_OLD_JOBS, kinds.FORGET_OLD_JOBS)]


def plan_cleanup(params: CleanupParameters, _asset_id: str | None) -> list[StepSpec]:
    """Plan the removal of named outputs that are too old or too many."""
    return [StepSpec("clean", kinds.CLEAN_OUTPUTS, params.model_dump())]
