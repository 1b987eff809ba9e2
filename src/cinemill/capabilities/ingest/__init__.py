"""Ingest: import a file, probe it, and prepare proxy, poster, sprite and audio."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from cinemill.capabilities.ingest import kinds
from cinemill.capabilities.ingest.plan import (
    IngestParameters,
    OrchestrationParameters,
    ProxyParameters,
    RetryParameters,
    VideoBatchParameters,
    name_children,
    plan_ingest,
    plan_metadata,
    plan_orchestration,
    plan_proxy,
    plan_retry,
    plan_video_batch,
)
from cinemill.jobs.catalog import JobKind
from cinemill.jobs.step import Handler
from cinemill.steps.capability import Capability
from cinemill.steps.source.plan import REPORT_FOUND, SourceParameters

if TYPE_CHECKING:
    from cinemill.steps.resources import StepResources

__all__ = ["CAPABILITY"]


def _build_handlers(resources: StepResources) -> Mapping[str, Handler]:
    from cinemill.capabilities.ingest.batch import collect_videos, submit_videos
    from cinemill.capabilities.ingest.found import report_found
    from cinemill.capabilities.ingest.handlers import prepare_source
    from cinemill.capabilities.ingest.import_handler import import_source
    from cinemill.capabilities.ingest.metadata_handler import describe_source
    from cinemill.capabilities.ingest.probe_handler import probe_source
    from cinemill.capabilities.ingest.retry import retry_failed
    from cinemill.capabilities.ingest.summary_handler import summarize_ingestion
    from cinemill.steps.ingestion.kinds import SUMMARIZE
    from cinemill.steps.ingestion.source_damage import naming_damage, offering_best_effort
    from cinemill.steps.source.plan import IMPORT_SOURCE, PROBE_SOURCE

    return {
        IMPORT_SOURCE: partial(import_source, resources),
        PROBE_SOURCE: partial(probe_source, resources),
        kinds.PREPARE_SOURCE: partial(
            offering_best_effort(naming_damage(prepare_source)), resources
        ),
        kinds.DESCRIBE_SOURCE: partial(describe_source, resources),
        SUMMARIZE: partial(summarize_ingestion, resources),
        REPORT_FOUND: partial(report_found, resources),
        kinds.SUBMIT_VIDEOS: partial(submit_videos, resources.service),
        kinds.COLLECT_VIDEOS: partial(collect_videos, resources.service),
        kinds.RETRY_FAILED: partial(retry_failed, resources),
    }


CAPABILITY = Capability(
    name="ingest",
    queues=kinds.QUEUES,
    steps=kinds.STEPS,
    jobs=(
        JobKind("process_video", IngestParameters, plan_ingest, positional=("path", "profile")),
        JobKind(
            "orchestrate_video_ingestion",
            OrchestrationParameters,
            plan_orchestration,
            positional=("path", "profile"),
        ),
        JobKind(
            "batch_process_videos",
            VideoBatchParameters,
            plan_video_batch,
            positional=("assets", "profile"),
            name_children=name_children,
        ),
        JobKind("retry_failed_tasks", RetryParameters, plan_retry, positional=("asset",)),
        JobKind("generate_proxy_video", ProxyParameters, plan_proxy, positional=("path",)),
        JobKind("extract_video_metadata", SourceParameters, plan_metadata, positional=("path",)),
    ),
    build_handlers=_build_handlers,
)
