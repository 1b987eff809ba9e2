"""One decode of a stored video into proxy, stills, sprite, frames and audio, published together."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from fractions import Fraction
from functools import partial
from typing import Any

from cinemill.capabilities.ingest.plan import IngestParameters
from cinemill.capabilities.ingest.prepare import PreparedFile, prepare
from cinemill.capabilities.ingest.request import PrepareRequest
from cinemill.capabilities.ingest.sound.prepare import list_left_out, prepare_sound
from cinemill.core.media import Artifact, ArtifactKind, MediaInfo
from cinemill.core.text.file_names import derive_name
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.content_key import content_key
from cinemill.steps.ingestion.gaps import note_source_gaps
from cinemill.steps.ingestion.source_damage import GAPS, find_gaps
from cinemill.steps.publish import publish_artifact
from cinemill.steps.resources import StepResources, ffmpeg_session, find_asset, require_space
from cinemill.steps.source.results import PROBE
from cinemill.storage.database import Connection
from cinemill.storage.media import assets
from cinemill.storage.media.assets import AssetRecord
from cinemill.storage.media.files import LocalFiles

STAGE = "prepare"
STAGE_VERSION = 2
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
CREATED_OF_SOUND = frozenset({ArtifactKind.PROXY, ArtifactKind.WAVEFORM, ArtifactKind.AUDIO})
"""Created for every source that is sound alone."""
MIN_OUTPUT_BYTES = 16 * 1024 * 1024


def prepare_source(resources: StepResources, context: StepContext) -> StepOutcome:
    """Create or reuse all files of ingest, and point the asset at them.

    Result: ``asset_id``, ``output_filename``, ``artifacts`` by kind, ``stages`` in seconds,
    ``warnings``, ``gaps`` (what the best effort lacks), ``reused``. Raises MediaRejected,
    OutputInvalid, CommandFailed, DiskFull.
    """
    began = time.monotonic()
    asset = find_asset(resources, context)
    request = read_request(context.job_parameters(IngestParameters))
    media = context.result_of(PROBE).media
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    if not media.has_picture:
        left_out = list_left_out(request)
        request = _without_still(request)
    artifacts = _find_any_cached(resources, asset, media, request)
    reused = bool(artifacts)
    if not artifacts:
        artifacts, warnings = _create(resources, context, asset, request)
    gaps = artifacts[ArtifactKind.PROXY.value].facts.get(GAPS, [])
    request = replace(request, best_effort=bool(gaps))
    result = {
        "asset_id": asset.id,
        "output_filename": artifacts[ArtifactKind.PROXY.value].filename,
        "artifacts": {kind: describe_artifact(artifact) for kind, artifact in artifacts.items()},
        "stages": {**_stages(context), "prepare": round(time.monotonic() - began, 3)},
        "warnings": [*warnings, *left_out],
        "changes": artifacts[ArtifactKind.PROXY.value].facts.get("changes", []),
        GAPS: gaps,
        "reused": reused,
    }
    return StepOutcome(result, partial(_save, asset=asset, request=request, artifacts=artifacts))


def read_request(params: IngestParameters) -> PrepareRequest:
    """Return what a job's parameters ask for."""
    timestamp = params.thumbnail_seconds
    still = None if timestamp is None else Fraction(timestamp).limit_denominator(1000)
    return PrepareRequest(thumbnail_seconds=still, best_effort=params.best_effort)


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
    note_source_gaps(connection, asset.id, artifacts[ArtifactKind.PROXY].facts.get(GAPS, []))
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
    if not request.best_effort:
        del parameters["best_effort"]  # the keys of whole videos are older than it
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


def _find_any_cached(
    resources: StepResources, asset: AssetRecord, media: MediaInfo, request: PrepareRequest
) -> dict[str, Artifact]:
    """Return the files of a whole video, else those that a best effort left."""
    whole = _find_cached(resources, asset, media, replace(request, best_effort=False))
    return whole or (_find_cached(resources, asset, media, request) if request.best_effort else {})


def _find_cached(
    resources: StepResources, asset: AssetRecord, media: MediaInfo, request: PrepareRequest
) -> dict[str, Artifact]:
    """Return all files of this request, named after this asset, if they exist; else nothing."""
    sha256 = asset.sha256
    artifacts = assets.find_step_artifacts(
        resources.database, step_key(sha256, _without_still(request))
    )
    if request.thumbnail_seconds is not None:
        artifacts |= assets.find_step_artifacts(resources.database, step_key(sha256, request))
    whole = all(resources.files.exists(artifact.sha256) for artifact in artifacts.values())
    if not whole or not is_complete(artifacts, media, request):
        return {}
    # They may have been made for a video of the same bytes and another name.
    return {kind: _rename(artifact, asset.filename) for kind, artifact in artifacts.items()}


def _rename(artifact: Artifact, filename: str) -> Artifact:
    rest = artifact.filename.rpartition("-")[2]
    return replace(artifact, filename=derive_name(filename, f"-{rest}"))


def is_complete(
    artifacts: Mapping[str, Artifact], media: MediaInfo, request: PrepareRequest
) -> bool:
    """Check whether every kind of file that this request creates is among them."""
    wanted = set(ALWAYS_CREATED if media.has_picture else CREATED_OF_SOUND)
    if request.thumbnail_seconds is not None:
        wanted.add(ArtifactKind.THUMBNAIL)
    return {kind.value for kind in wanted} <= artifacts.keys()


def _create(
    resources: StepResources, context: StepContext, asset: AssetRecord, request: PrepareRequest
) -> tuple[dict[str, Artifact], tuple[str, ...]]:
    media = context.result_of(PROBE).media
    require_space(resources, estimate_output_bytes(media))
    work = prepare if media.has_picture else prepare_sound
    outcome = work(
        ffmpeg_session(resources, context, "Encoding the preview copy"),
        resources.files.require(asset.sha256),
        media,
        request,
    )
    files = outcome.files
    if gaps := find_gaps(resources, context, asset.sha256, media, outcome):
        files = tuple(
            replace(one, facts={**one.facts, GAPS: gaps}) if one.kind is ArtifactKind.PROXY else one
            for one in files
        )
    return publish_files(resources.files, files, asset.filename), outcome.warnings


def estimate_output_bytes(media: MediaInfo) -> int:
    """Return the most bytes that the outputs will take, by the video's duration."""
    return MIN_OUTPUT_BYTES + int(media.duration_seconds_from_header * OUTPUT_BYTES_PER_SECOND)


def publish_files(
    files: LocalFiles, prepared: Iterable[PreparedFile], filename: str
) -> dict[str, Artifact]:
    """Move verified outputs of a video of this name into the store, by kind.

    Rows that point at them are written afterwards.
    """
    return {file.kind.value: _publish_one(files, file, filename) for file in prepared}


def _publish_one(files: LocalFiles, file: PreparedFile, filename: str) -> Artifact:
    return publish_artifact(
        files,
        file.path,
        file.kind,
        filename=derive_name(filename, f"-{file.path.name}"),
        media_type=file.media_type,
        facts=dict(file.facts),
    )


def _stages(context: StepContext) -> dict[str, float | None]:
    probed = context.result_of(PROBE)
    return {**probed.stages, "probe": probed.seconds}
