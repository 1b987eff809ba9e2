"""Embeddings: passages as vectors, and the index that finds the nearest."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from cinemill.capabilities.embeddings import kinds
from cinemill.core.parameters import NoParameters
from cinemill.jobs.catalog import JobKind
from cinemill.jobs.step import Handler
from cinemill.steps.capability import Capability
from cinemill.steps.ingestion.kinds import EMBED_TEXT, INDEX_EMBEDDINGS
from cinemill.steps.source.plan import plan_single

if TYPE_CHECKING:
    from cinemill.steps.resources import StepResources

__all__ = ["CAPABILITY"]


def _build_handlers(resources: StepResources) -> Mapping[str, Handler]:
    from cinemill.capabilities.embeddings import handlers
    from cinemill.steps.ingestion.gaps import leave_gap

    return {
        EMBED_TEXT: partial(leave_gap(handlers.generate_text_embeddings, "embeddings"), resources),
        INDEX_EMBEDDINGS: partial(handlers.index_embeddings, resources),
    }


CAPABILITY = Capability(
    name="embeddings",
    queues=kinds.QUEUES,
    steps=kinds.STEPS,
    jobs=(
        JobKind(EMBED_TEXT, NoParameters, plan_single(EMBED_TEXT)),
        JobKind(INDEX_EMBEDDINGS, NoParameters, plan_single(INDEX_EMBEDDINGS)),
    ),
    build_handlers=_build_handlers,
)
