"""Render: a timeline becomes a file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from cinemill.capabilities.render import kinds
from cinemill.capabilities.render.plan import (
    BatchParameters,
    RenderParameters,
    name_children,
    plan_batch,
    plan_render,
)
from cinemill.jobs.catalog import LARGEST_TIMELINES_BYTES, JobKind
from cinemill.jobs.step import Handler
from cinemill.steps.capability import Capability

if TYPE_CHECKING:
    from cinemill.steps.resources import StepResources

__all__ = ["CAPABILITY"]


def _build_handlers(resources: StepResources) -> Mapping[str, Handler]:
    from cinemill.capabilities.render import batch, handlers
    from cinemill.capabilities.render.fetch_sources import fetch_sources
    from cinemill.capabilities.render.validate import validate_render

    return {
        kinds.FETCH_SOURCES: partial(fetch_sources, resources),
        kinds.VALIDATE_RENDER: partial(validate_render, resources),
        kinds.RENDER_PIECES: partial(handlers.render_pieces, resources),
        kinds.MIX_AUDIO: partial(handlers.mix_render, resources),
        kinds.JOIN_RENDER: partial(handlers.join_render, resources),
        kinds.SUBMIT_BATCH: partial(batch.submit_batch, resources.service),
        kinds.COLLECT_BATCH: partial(batch.collect_batch, resources.service),
    }


CAPABILITY = Capability(
    name="render",
    queues=kinds.QUEUES,
    steps=kinds.STEPS,
    jobs=(
        JobKind(
            "render_video",
            RenderParameters,
            plan_render,
            positional=("job",),
            most_params_bytes=LARGEST_TIMELINES_BYTES,
        ),
        JobKind(
            "batch_render",
            BatchParameters,
            plan_batch,
            positional=("jobs",),
            result_field="results",
            name_children=name_children,
            most_params_bytes=LARGEST_TIMELINES_BYTES,
        ),
    ),
    build_handlers=_build_handlers,
)
