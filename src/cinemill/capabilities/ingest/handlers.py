"""One decode of a stored video into proxy, stills, sprite, frames and audio, published together."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from fractions import Fraction
from functools import partial
from pathlib import PurePath
from typing import Any

from cinemill.capabilities.ingest.plan import IngestParameters
from cinemill.capabilities.ingest.prepare import PreparedFile, prepare
from cinemill.capabilities.ingest.request import PrepareRequest
from cinemill.core.media import Artifact, ArtifactKind, MediaInfo
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.content_key import content_key
from cinemill.steps.publish import publish_artifact
from cinemill.steps.resources import StepResources, ffmpeg_session, find_asset, require_space
from cinemill.steps.source.results import PROBE
from cinemill.storage.database import Connection
from cinemill.storage.media import assets
from cinemill.storage.media.assets import AssetRecord
from cinemill.storage.media.files import LocalFiles

STAGE = "prepare"
STAGE_VERSION = 1
"""Increase it when the same video and request would give other files."""

# Measured on videos of 320x240 to 3840x2160: all outputs together stay below this.
OUTPUT_BYTES_PER_SECOND = 400 * 1024
ALWAYS_CREATED = frozenset(
    {
        ArtifactKind.PROXY,
        ArtifactKind.POSTER,
        ArtifactKind.SPRITE,
        ArtifactKind.SPRITE_INDEX,
        ArtifactKind.SHOT_FRAMES,
        ArtifactKind.MODEL_FRAMES,
    }
)
"""Created for every video; audio only if it has any, a thumbnail only if one is requested."""
MIN_OUTPUT_BYTES = 16 * 1024 * 1024


def prepare_source(resources: StepResources, context: StepContext) -> StepOutcome:
    """Create or reuse all files of ingest, and point the asset at them.

    Result: ``asset_id``, ``output_filename``, ``artifacts`` by kind, ``stages`` in seconds,
    ``warnings``, ``reused``. Raises MediaRejected, OutputInvalid, CommandFailed, DiskFull.
    """
    began = time.monotonic()
    asset = find_asset(resources, context)
    request = read_request(context.job_parameters(IngestParameters))
    artifacts = _find_cached(resources, asset.sha256, request)
    warnings: tuple[str, ...] = ()
    reused = bool(artifacts)
    if not artifacts:
        artifacts, warnings = _create(resources, context, asset, request)
    result = {
        "asset_id": asset.id,
        "output_filename": artifacts[ArtifactKind.PROXY.value].filename,
        "artifacts": {kind: describe_artifact(artifact) for kind, artifact in artifacts.items()},
        "stages": {**_stages(context), "prepare": round(time.monotonic() - began, 3)},
        "warnings": list(warnings),
        "reused": reused,
    }
    return StepOutcome(result, partial(_save, asset=asset, request=request, artifacts=artifacts))


def read_request(params: IngestParameters) -> PrepareRequest:
    """Return what a job's parameters ask for."""
    timestamp = params.thumbnail_seconds
    if timestamp is None:
        return PrepareRequest()
    return PrepareRequest(thumbnail_seconds=Fraction(timestamp).limit_denominator(1000))


def _save(
    connection: Connection,
    *,
    asset: AssetRecord,
    request: PrepareRequest,
    artifacts: Mapping[str, Artifact],
) -> None:
    """Point the asset at its files.

    A thumbnail is a variant by its timestamp, with a key of its own: two jobs with different
    thumbnails share all other files, and neither replaces the other's.
    """
    others = [artifact for kind, artifact in artifacts.items() if kind != ArtifactKind.THUMBNAIL]
    assets.save_artifacts(
        connection, asset.id, step_key(asset.sha256, _without_still(request)), others
    )
    if request.thumbnail_seconds is not None:
        assets.save_artifacts(
            connection,
            asset.id,
            step_key(asset.sha256, request),
            [artifacts[ArtifactKind.THUMBNAIL]],
            variant=str(float(request.thumbnail_seconds)),
        )


def _without_still(request: PrepareRequest) -> PrepareRequest:
    return replace(request, thumbnail_seconds=None)


def step_key(sha256: str, request: PrepareRequest) -> str:
    """Return the key of the work: the same bytes, request and version are processed only once."""
    parameters = {name: str(value) for name, value in asdict(request).items()}
    return content_key(sha256, STAGE, STAGE_VERSION, parameters)


def describe_artifact(artifact: Artifact) -> dict[str, Any]:
    """Return an artifact as JSON values."""
    return {
        "sha256": artifact.sha256,
        "size_bytes": artifact.size_bytes,
        "filename": artifact.filename,
        "media_type": artifact.media_type,
        "facts": artifact.facts,
    }


def _find_cached(
    resources: StepResources, sha256: str, request: PrepareRequest
) -> dict[str, Artifact]:
    """Return all files of this request if they exist already; else nothing."""
    artifacts = assets.find_step_artifacts(
        resources.database, step_key(sha256, _without_still(request))
    )
    if request.thumbnail_seconds is not None:
        artifacts |= assets.find_step_artifacts(resources.database, step_key(sha256, request))
    whole = all(resources.files.exists(artifact.sha256) for artifact in artifacts.values())
    return artifacts if whole and is_complete(artifacts, request) else {}


def is_complete(artifacts: Mapping[str, Artifact], request: PrepareRequest) -> bool:
    """Check whether every kind of file that this request creates is among them."""
    wanted = set(ALWAYS_CREATED)
    if request.thumbnail_seconds is not None:
        wanted.add(ArtifactKind.THUMBNAIL)
    return {kind.value for kind in wanted} <= artifacts.keys()


def _create(
    resources: StepResources, context: StepContext, asset: AssetRecord, request: PrepareRequest
) -> tuple[dict[str, Artifact], tuple[str, ...]]:
    media = context.result_of(PROBE).media
    require_space(resources, estimate_output_bytes(media))
    outcome = prepare(
        ffmpeg_session(resources, context, "Encoding the preview copy"),
        resources.files.require(asset.sha256),
        media,
        request,
    )
    stem = PurePath(asset.filename).stem or "film"
    return publish_files(resources.files, outcome.files, stem), outcome.warnings


def estimate_output_bytes(media: MediaInfo) -> int:
    """Return the most bytes that the outputs will take, by the video's duration."""
    return MIN_OUTPUT_BYTES + int(media.duration_seconds_from_header * OUTPUT_BYTES_PER_SECOND)


def publish_files(
    files: LocalFiles, prepared: Iterable[PreparedFile], stem: str
) -> dict[str, Artifact]:
    """Move verified outputs into the store, by kind.

    Rows that point at them are written afterwards.
    """
    return {file.kind.value: _publish_one(files, file, stem) for file in prepared}


def _publish_one(files: LocalFiles, file: PreparedFile, stem: str) -> Artifact:
    return publish_artifact(
        files,
        file.path,
        file.kind,
        filename=f"{stem}-{file.path.name}",
        media_type=file.media_type,
        facts=dict(file.facts),
    )


def _stages(context: StepContext) -> dict[str, float | None]:
    probed = context.result_of(PROBE)
    return {**probed.stages, "probe": probed.seconds}
