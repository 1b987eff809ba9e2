"""Knowledge: entities that videos speak of or show, and how they relate."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from cinemill.capabilities.knowledge import kinds
from cinemill.capabilities.knowledge.merge_parameters import MergeParameters
from cinemill.capabilities.knowledge.plan import plan_merges, plan_step
from cinemill.core.parameters import NoParameters
from cinemill.jobs.catalog import JobKind
from cinemill.jobs.step import Handler
from cinemill.steps.capability import Capability
from cinemill.steps.ingestion.kinds import (
    APPLY_CAPTION_EDITS,
    BUILD_SCENES,
    EXTRACT_ENTITIES,
    EXTRACT_RELATIONS,
)

if TYPE_CHECKING:
    from cinemill.steps.resources import StepResources

__all__ = ["CAPABILITY"]


def _build_handlers(resources: StepResources) -> Mapping[str, Handler]:
    from cinemill.capabilities.knowledge import handlers
    from cinemill.capabilities.knowledge.caption_edits import apply_caption_edits
    from cinemill.capabilities.knowledge.merge_handler import merge_graphs
    from cinemill.steps.ingestion.gaps import leave_gap

    works = {
        EXTRACT_ENTITIES: handlers.find_entities,
        EXTRACT_RELATIONS: handlers.find_relationships,
        BUILD_SCENES: handlers.build_scenes,
    }
    return {
        **{kind: partial(leave_gap(work, "knowledge"), resources) for kind, work in works.items()},
        kinds.MERGE_GRAPHS: partial(merge_graphs, resources),
        APPLY_CAPTION_EDITS: partial(apply_caption_edits, resources),
    }


CAPABILITY = Capability(
    name="knowledge",
    queues=kinds.QUEUES,
    steps=kinds.STEPS,
    jobs=(
        *(
            JobKind(kind, NoParameters, plan_step(kind))
            for kind in (EXTRACT_ENTITIES, EXTRACT_RELATIONS, BUILD_SCENES, APPLY_CAPTION_EDITS)
        ),
        JobKind(kinds.MERGE_GRAPHS, MergeParameters, plan_merges),
    ),
    build_handlers=_build_handlers,
)
