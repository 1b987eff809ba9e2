"""Operations: retention, cleanup, verification of stored files, and resource monitoring."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from cinemill.capabilities.operations import kinds
from cinemill.capabilities.operations.plan import (
    CleanupParameters,
    RetentionParameters,
    plan_cleanup,
    plan_retention,
)
from cinemill.core.parameters import NoParameters
from cinemill.jobs.catalog import JobKind
from cinemill.jobs.step import Handler
from cinemill.steps.capability import Capability
from cinemill.steps.source.plan import plan_single

if TYPE_CHECKING:
    from cinemill.steps.resources import StepResources

__all__ = ["CAPABILITY"]


def _build_handlers(resources: StepResources) -> Mapping[str, Handler]:
    from cinemill.capabilities.operations import handlers

    return {
        kinds.FORGET_OLD_JOBS: partial(handlers.forget_old_jobs, resources),
        kinds.REMOVE_GARBAGE: partial(handlers.remove_garbage, resources),
        kinds.FIND_STUCK_JOBS: partial(handlers.find_stuck_jobs, resources),
        kinds.COUNT_JOBS: partial(handlers.count_jobs, resources),
        kinds.CLEAN_OUTPUTS: partial(handlers.clean_outputs, resources),
        kinds.MEASURE_RESOURCES: partial(handlers.publish_measurements, resources),
        kinds.CHECK_HEALTH: partial(handlers.check_health, resources),
        kinds.MEASURE_GPUS: partial(handlers.measure_gpus, resources),
    }


CAPABILITY = Capability(
    name="operations",
    queues=kinds.QUEUES,
    steps=kinds.STEPS,
    jobs=(
        JobKind("cleanup_old_jobs", RetentionParameters, plan_retention, positional=("days",)),
        JobKind("collect_garbage", NoParameters, plan_single(kinds.REMOVE_GARBAGE)),
        JobKind("check_stuck_jobs", NoParameters, plan_single(kinds.FIND_STUCK_JOBS)),
        JobKind("get_queue_stats", NoParameters, plan_single(kinds.COUNT_JOBS)),
        JobKind(
            "cleanup",
            CleanupParameters,
            plan_cleanup,
            positional=("max_age_days", "max_size_gb"),
        ),
        JobKind("monitor_resources", NoParameters, plan_single(kinds.MEASURE_RESOURCES)),
        JobKind("health_check", NoParameters, plan_single(kinds.CHECK_HEALTH)),
        JobKind("monitor_gpu_usage", NoParameters, plan_single(kinds.MEASURE_GPUS)),
    ),
    build_handlers=_build_handlers,
)
