"""Knowledge: entities that videos speak of or show, and how they relate."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from cinemill.capabilities.knowledge import kinds
from cinemill.capabilities.knowledge.merge_parameters import MergeParameters
from cinemill.capabilities.knowledge.plan import plan_caption_edits, plan_merges
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
from cinemill.steps.source.plan import SourceParameters, plan_on_video

if TYPE_CHECKING:
    from cinemill.steps.ingestion.gaps import Work
    from cinemill.steps.resources import StepResources

__all__ = ["CAPABILITY"]

SUBJECT = "knowledge"
"""Of the gap that is left where entities or relations are missing."""
SCENES_SUBJECT = "scenes"
"""Of the gap that is left where scenes are missing: each step closes its own."""


def _build_handlers(resources: StepResources) -> Mapping[str, Handler]:
    from cinemill.capabilities.knowledge import handlers
    from cinemill.capabilities.knowledge.caption_edits import apply_caption_edits
    from cinemill.capabilities.knowledge.merge_handler import merge_graphs
    from cinemill.steps.ingestion.gaps import leave_gap

    scenes = leave_gap(handlers.build_scenes, SCENES_SUBJECT)
    works = {BUILD_SCENES: scenes, **_choose_readers(resources)}
    return {
        **{kind: partial(work, resources) for kind, work in works.items()},
        kinds.MERGE_GRAPHS: partial(merge_graphs, resources),
        APPLY_CAPTION_EDITS: partial(apply_caption_edits, resources),
    }


def _choose_readers(resources: StepResources) -> dict[str, Work]:
    """Return what finds entities and relations: the parser, or a language model where one is set.

    An ingestion must not depend on a server elsewhere: its last failed attempt leaves a gap.
    """
    from cinemill.capabilities.knowledge import handlers
    from cinemill.steps.ingestion.gaps import leave_gap, leave_gap_at_last

    if resources.entity_model is None:
        return {
            EXTRACT_ENTITIES: leave_gap(handlers.find_entities, SUBJECT),
            EXTRACT_RELATIONS: leave_gap(handlers.find_relationships, SUBJECT),
        }
    from cinemill.capabilities.knowledge import model_handlers

    works = {
        EXTRACT_ENTITIES: model_handlers.find_entities,
        EXTRACT_RELATIONS: model_handlers.find_relationships,
    }
    return {
        kind: leave_gap_at_last(leave_gap(work, SUBJECT), SUBJECT) for kind, work in works.items()
    }


CAPABILITY = Capability(
    name="knowledge",
    queues=kinds.QUEUES,
    steps=kinds.STEPS,
    jobs=(
        *(
            JobKind(kind, SourceParameters, plan_on_video(kind, subject), positional=("path",))
            for kind, subject in (
                (EXTRACT_ENTITIES, "entities"),
                (EXTRACT_RELATIONS, "relations"),
                (BUILD_SCENES, "scenes"),
            )
        ),
        JobKind(APPLY_CAPTION_EDITS, NoParameters, plan_caption_edits),
        JobKind(kinds.MERGE_GRAPHS, MergeParameters, plan_merges, positional=("assets",)),
    ),
    build_handlers=_build_handlers,
)
