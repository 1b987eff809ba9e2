"""A thumbnail of a stored video: one still at the time that was asked for."""

from __future__ import annotations

import time
from fractions import Fraction
from functools import partial
from typing import Any

from cinemill.capabilities.previews.duration import find_duration
from cinemill.capabilities.previews.plan import StillParameters
from cinemill.capabilities.previews.stills import extract_stills
from cinemill.core.media import Artifact, ArtifactKind
from cinemill.core.text.file_names import derive_name
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.content_key import content_key
from cinemill.steps.named_outputs import export_output
from cinemill.steps.publish import publish_artifact
from cinemill.steps.resources import (
    StepResources,
    ffmpeg_session,
    find_asset,
    require_space,
    stage_seconds,
)
from cinemill.steps.source.results import PROBE
from cinemill.storage.database import Connection
from cinemill.storage.media import assets

STAGE = "thumbnail"
STAGE_VERSION = 2
MAX_STILL_BYTES = 4 * 1024 * 1024
END_SECONDS = Fraction(1, 1000)
"""A time at or after the end means the last frame, which is on screen so long before it."""


def make_thumbnail(resources: StepResources, context: StepContext) -> StepOutcome:
    """Create a still of the job's video at ``timestamp_seconds``; after the end, the last frame.

    Result: ``asset_id``, ``thumbnail_path``, ``timestamp_seconds``, ``thumbnail`` (``sha256`` and
    sizes), ``warnings``, ``stages`` in seconds. Raises MediaRejected, OutputInvalid, CommandFailed,
    DiskFull.
    """
    began = time.monotonic()
    options = context.parameters(StillParameters)
    require_space(resources, MAX_STILL_BYTES)
    info = context.result_of(PROBE).media
    asset = find_asset(resources, context)
    session = ffmpeg_session(resources, context, "Extracting the thumbnail")
    source = resources.files.require(asset.sha256)
    wanted = Fraction(options.timestamp_seconds).limit_denominator(1000)
    end = find_duration(session, source, info)
    is_after_end = wanted >= end > 0
    seconds = max(Fraction(0), end - END_SECONDS) if is_after_end else wanted
    (still,) = extract_stills(session, source, info, [seconds], height=options.height)
    facts = {"seconds": float(seconds), "width": still.width, "height": still.height}
    artifact = publish_artifact(
        resources.files,
        still.path,
        ArtifactKind.THUMBNAIL,
        filename=derive_name(asset.filename, "-thumbnail.jpg"),
        media_type="image/jpeg",
        facts=facts,
    )
    path = export_output(
        resources.files,
        artifact.sha256,
        resources.preview_dir,
        context.run.job_id,
        artifact.filename,
    )
    result: dict[str, Any] = {
        "asset_id": asset.id,
        "thumbnail_path": str(path),
        "timestamp_seconds": float(seconds),
        "thumbnail": {
            "filename": artifact.filename,
            "sha256": artifact.sha256,
            "size_bytes": artifact.size_bytes,
            **facts,
        },
        "warnings": ["the time is after the end of the video: the last frame was used"]
        if is_after_end
        else [],
        "stages": {**stage_seconds(context), "thumbnail": round(time.monotonic() - began, 3)},
    }
    key = content_key(asset.sha256, STAGE, STAGE_VERSION, float(seconds), options.height)
    return StepOutcome(result, partial(_save, asset_id=asset.id, key=key, artifact=artifact))


def _save(connection: Connection, *, asset_id: str, key: str, artifact: Artifact) -> None:
    variant = str(artifact.facts["seconds"])
    assets.save_artifacts(connection, asset_id, key, [artifact], variant=variant)
