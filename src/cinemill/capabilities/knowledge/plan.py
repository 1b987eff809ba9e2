"""Parameters of knowledge jobs to their steps. They are about a video that was ingested."""

from __future__ import annotations

from collections.abc import Callable

from cinemill.capabilities.knowledge.kinds import MERGE_GRAPHS
from cinemill.capabilities.knowledge.merge_parameters import MergeParameters
from cinemill.core.job import StepSpec
from cinemill.core.parameters import NoParameters
from cinemill.errors import InputRejected


def plan_step(kind: str) -> Callable[[NoParameters, str | None], list[StepSpec]]:
    """Return the planner of a job of one step, which needs a stored video.

    It raises InputRejected (``source_missing``).
    """

    def plan(_params: NoParameters, asset_id: str | None) -> list[StepSpec]:
        if asset_id is None:
            raise InputRejected(f"{kind} needs a stored video.", code="source_missing")
        return [StepSpec(kind, kind)]

    return plan


def plan_merges(params: MergeParameters, _asset_id: str | None) -> list[StepSpec]:
    """Plan the merging of entities of this owner."""
    return [StepSpec(MERGE_GRAPHS, MERGE_GRAPHS, params.model_dump(mode="json"))]
