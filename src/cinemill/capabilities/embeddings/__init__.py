"""Embeddings: passages and pictures as vectors, and the indexes that find the nearest."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from cinemill.capabilities.embeddings import kinds
from cinemill.core.parameters import NoParameters
from cinemill.jobs.catalog import JobKind
from cinemill.jobs.step import Handler
from cinemill.steps.capability import Capability
from cinemill.steps.ingestion.kinds import (
    EMBED_PICTURES,
    EMBED_TEXT,
    FUSE_EMBEDDINGS,
    INDEX_EMBEDDINGS,
)
from cinemill.steps.source.plan import SourceParameters, plan_on_video, plan_single

if TYPE_CHECKING:
    from cinemill.steps.resources import StepResources

__all__ = ["CAPABILITY"]


def _build_handlers(resources: StepResources) -> Mapping[str, Handler]:
    from cinemill.capabilities.embeddings import handlers, projection_handler
    from cinemill.capabilities.embeddings.moment_handler import generate_multimodal_embeddings
    from cinemill.capabilities.embeddings.picture_handler import generate_visual_embeddings
    from cinemill.steps.ingestion.gaps import leave_gap

    works = {
        EMBED_TEXT: leave_gap(handlers.generate_text_embeddings, "embeddings"),
        EMBED_PICTURES: leave_gap(generate_visual_embeddings, "picture_embeddings"),
        FUSE_EMBEDDINGS: leave_gap(generate_multimodal_embeddings, "moment_embeddings"),
        INDEX_EMBEDDINGS: handlers.index_embeddings,
        kinds.PROJECT_EMBEDDINGS: projection_handler.project_embeddings,
        kinds.REBUILD_PROJECTION: projection_handler.rebuild_projection,
    }
    return {kind: partial(work, resources) for kind, work in works.items()}


CAPABILITY = Capability(
    name="embeddings",
    queues=kinds.QUEUES,
    steps=kinds.STEPS,
    jobs=(
        *(
            JobKind(
                kind,
                SourceParameters,
                plan_on_video(kind, subject, is_for_library=True),
                positional=("path",),
            )
            for kind, subject in (
                (EMBED_TEXT, "text_embeddings"),
                (EMBED_PICTURES, "visual_embeddings"),
                (FUSE_EMBEDDINGS, "multimodal_embeddings"),
                (INDEX_EMBEDDINGS, "indexed"),
            )
        ),
        *(
            JobKind(kind, NoParameters, plan_single(kind))
            for kind in (kinds.PROJECT_EMBEDDINGS, kinds.REBUILD_PROJECTION)
        ),
    ),
    build_handlers=_build_handlers,
)
