"""What a stored film is, looked at once."""

from __future__ import annotations

from functools import partial

from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.media.probe.probe import probe
from cinemill.steps.resources import Workshop, find_asset, limit_to, list_stages
from cinemill.storage.media import assets


def probe_source(workshop: Workshop, context: StepContext) -> StepOutcome:
    """Probe the job's asset, unless that was done before, and note what it is.

    Result: ``asset_id``, ``media``. Raises MediaRejected.
    """
    asset = find_asset(workshop, context)
    context.report(0.0, "Looking at the film")
    media = asset.media or probe(
        workshop.files.path(asset.sha256), limit_to(workshop, context), sandbox=workshop.sandbox
    )
    return StepOutcome(
        {
            "asset_id": asset.id,
            "media": media.to_json(),
            "stages": dict(list_stages(context)),
        },
        partial(assets.record_media, asset_id=asset.id, media=media),
    )
