"""Previews: stills, contact sheets and animated previews."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from cinemill.capabilities.previews import kinds
from cinemill.capabilities.previews.plan import (
    PreviewParameters,
    ThumbnailParameters,
    plan_preview,
    plan_thumbnail,
)
from cinemill.jobs.catalog import JobKind
from cinemill.jobs.step import Handler
from cinemill.steps.capability import Capability

if TYPE_CHECKING:
    from cinemill.steps.resources import StepResources

__all__ = ["CAPABILITY"]


def _build_handlers(resources: StepResources) -> Mapping[str, Handler]:
    from cinemill.capabilities.previews.handlers import make_previews
    from cinemill.capabilities.previews.thumbnail import make_thumbnail
    from cinemill.steps.ingestion.pictures import needing_picture
    from cinemill.steps.ingestion.source_damage import naming_damage

    return {
        kinds.EXTRACT_STILLS: partial(naming_damage(needing_picture(make_previews)), resources),
        kinds.EXTRACT_THUMBNAIL: partial(naming_damage(needing_picture(make_thumbnail)), resources),
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
        JobKind(
            "generate_thumbnail",
            ThumbnailParameters,
            plan_thumbnail,
            positional=("path", "timestamp_seconds"),
        ),
    ),
    build_handlers=_build_handlers,
)
