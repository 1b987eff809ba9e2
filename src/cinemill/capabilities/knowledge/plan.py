"""Parameters of knowledge jobs to their steps. They are about a video that was ingested."""

from __future__ import annotations

from cinemill.capabilities.knowledge.kinds import MERGE_GRAPHS
from cinemill.capabilities.knowledge.merge_parameters import MergeParameters
from cinemill.core.job import StepSpec
from cinemill.core.parameters import NoParameters
from cinemill.errors import InputRejected
from cinemill.steps.ingestion.kinds import APPLY_CAPTION_EDITS


def plan_caption_edits(_params: NoParameters, asset_id: str | None) -> list[StepSpec]:
    """Plan what follows an edit of captions. Raises InputRejected (``source_missing``)."""
    if asset_id is None:
        raise InputRejected(f"{APPLY_CAPTION_EDITS} needs a stored video.", code="source_missing")
    return [StepSpec(APPLY_CAPTION_EDITS, APPLY_CAPTION_EDITS)]


def plan_merges(params: MergeParameters, _asset_id: str | None) -> list[StepSpec]:
    """Plan the merging of entities of this owner."""
    return [StepSpec(MERGE_GRAPHS, MERGE_GRAPHS, params.model_dump(mode="json"))]
