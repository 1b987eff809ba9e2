"""Streaming: HLS and DASH ladders."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from cinemill.capabilities.streaming import kinds
from cinemill.capabilities.streaming.plan import LadderParameters, plan_ladder
from cinemill.jobs.catalog import JobKind
from cinemill.jobs.step import Handler
from cinemill.steps.capability import Capability

if TYPE_CHECKING:
    from cinemill.steps.resources import StepResources

__all__ = ["CAPABILITY"]


def _build_handlers(resources: StepResources) -> Mapping[str, Handler]:
    from cinemill.capabilities.streaming.handlers import build_ladder, open_stream
    from cinemill.steps.ingestion.source_damage import naming_damage, offering_best_effort

    return {
        kinds.OPEN_STREAM: partial(open_stream, resources),
        kinds.BUILD_LADDER: partial(offering_best_effort(naming_damage(build_ladder)), resources),
    }


CAPABILITY = Capability(
    name="streaming",
    steps=kinds.STEPS,
    jobs=(JobKind("make_ladder", LadderParameters, plan_ladder, positional=("path", "preset")),),
    build_handlers=_build_handlers,
)
