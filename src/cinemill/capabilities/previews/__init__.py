"""Previews: stills, contact sheets and animated previews."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from cinemill.capabilities.previews import kinds
from cinemill.capabilities.previews.plan import PreviewParameters, plan_preview
from cinemill.jobs.catalog import JobKind
from cinemill.jobs.step import Handler
from cinemill.steps.capability import Capability

if TYPE_CHECKING:
    from cinemill.steps.resources import StepResources

__all__ = ["CAPABILITY"]


def _build_handlers(resources: StepResources) -> Mapping[str, Handler]:
    from cinemill.capabilities.previews.handlers import make_previews

    return {
        kinds.EXTRACT_STILLS: partial(make_previews, resources),
    }


CAPABILITY = Capability(
    name="previews",
    queues=kinds.QUEUES,
    steps=kinds.STEPS,
    jobs=(
        JobKind(
            "generate_preview",
            PreviewParameters,
            plan_preview,
            positional=("path", "num_frames"),
        ),
    ),
    build_handlers=_build_handlers,
)
