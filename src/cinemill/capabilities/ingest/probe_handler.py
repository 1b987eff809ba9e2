"""Probing a stored video, once, and reading the content credentials of its original bytes."""

from __future__ import annotations

from functools import partial

from cinemill.core.media import MediaInfo
from cinemill.jobs.results import write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.media.probe.probe import probe
from cinemill.steps.provenance import SourceProvenance, find_provenance
from cinemill.steps.resources import StepResources, effective_limits, find_asset, stage_seconds
from cinemill.steps.source.results import ProbeResult
from cinemill.storage.database import Connection
from cinemill.storage.media import assets


def probe_source(resources: StepResources, context: StepContext) -> StepOutcome:
    """Probe the job's asset unless this version has done so before, and record the result.

    Result: ``asset_id``, ``media``. Raises MediaRejected.
    """
    asset = find_asset(resources, context)
    context.report(0.0, "Inspecting the video")
    media = asset.media
    if media is None or media.is_outdated:
        media = probe(
            resources.files.require(asset.sha256),
            effective_limits(resources, context),
            sandbox=resources.sandbox,
        )
    provenance = find_provenance(resources, context, asset, media)
    return StepOutcome(
        write_result(ProbeResult(asset.id, media, stage_seconds(context))),
        partial(_save, asset_id=asset.id, media=media, provenance=provenance),
    )


def _save(
    connection: Connection, *, asset_id: str, media: MediaInfo, provenance: SourceProvenance
) -> None:
    assets.record_media(connection, asset_id, media)
    provenance.save(connection, asset_id)
