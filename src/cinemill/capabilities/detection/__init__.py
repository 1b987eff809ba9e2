"""Detection of manipulated faces: an honest verdict, with its error rates, or none."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from cinemill.capabilities.detection import kinds
from cinemill.capabilities.detection.plan import DetectionParameters, plan_detection
from cinemill.core.parameters import NoParameters
from cinemill.jobs.catalog import JobKind
from cinemill.jobs.step import Handler
from cinemill.steps.capability import Capability
from cinemill.steps.source.plan import plan_single

if TYPE_CHECKING:
    from cinemill.steps.resources import StepResources

__all__ = ["CAPABILITY"]


def _build_handlers(resources: StepResources) -> Mapping[str, Handler]:
    from cinemill.capabilities.detection.handlers import (
        analyze_video,
        delete_expired_results,
        look_up_analysis,
    )

    return {
        kinds.LOOK_UP_ANALYSIS: partial(look_up_analysis, resources),
        kinds.ANALYZE_VIDEO: partial(analyze_video, resources),
        kinds.DELETE_EXPIRED: partial(delete_expired_results, resources),
    }


CAPABILITY = Capability(
    name="detection",
    queues=kinds.QUEUES,
    steps=kinds.STEPS,
    jobs=(
        JobKind(
            "detect_video",
            DetectionParameters,
            plan_detection,
            positional=("asset", "fast"),
            second_channel="analysis",
        ),
        JobKind("cleanup_expired_results", NoParameters, plan_single(kinds.DELETE_EXPIRED)),
    ),
    build_handlers=_build_handlers,
)
