"""One rendition of a stored video: encoded once, published, and exported under a name."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from cinemill.capabilities.transcode.plan import TranscodeParameters
from cinemill.capabilities.transcode.quality_gate import encode_to_vmaf
from cinemill.capabilities.transcode.vmaf_target import MAX_BITRATE_FACTOR
from cinemill.core.encoding.rendition import RenditionRequest
from cinemill.core.media import Artifact, ArtifactKind, MediaInfo
from cinemill.core.text.file_names import derive_name
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.media.encoding.encode import EncodeOutcome
from cinemill.media.encoding.encode_plan import fit_box
from cinemill.media.encoding.encode_sound import SUFFIXES, encode_sound
from cinemill.media.encoding.hardware import HardwareEncoder
from cinemill.steps.content_key import content_key
from cinemill.steps.encoder_choice import encode_with_fallback
from cinemill.steps.ingestion.source_damage import GAPS, find_gaps
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
from cinemill.storage.media import assets
from cinemill.storage.media.assets import AssetRecord

STAGE = "encode"
STAGE_VERSION = 3
"""Increase it when the same video and request would give another file."""

# A generous bound: rejecting early is better than a full disk in the last minute.
BITS_PER_PIXEL = 0.25
MIN_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ChunkCounts:
    """Chunks that a rendition was joined from."""

    total: int
    reused: int


@dataclass(frozen=True, slots=True)
class Work:
    """Time and chunks that a rendition took."""

    stages: Mapping[str, float | None]
    """Seconds by step."""
    is_reused: bool
    chunks: ChunkCounts | None = None
    """None if it was encoded whole."""


def encode_rendition(resources: StepResources, context: StepContext) -> StepOutcome:
    """Encode the rendition that the step's parameters describe, unless it exists already.

    Result: ``asset_id``, ``output_path``, ``output_filename``, ``rendition`` (with ``facts``),
    ``made`` (kind and variant), ``gaps`` (what the best effort lacks), ``stages`` in seconds,
    ``reused``. Raises MediaRejected, InputRejected, ToolMissing, OutputInvalid, CommandFailed,
    DiskFull.
    """
    began = time.monotonic()
    asset = find_asset(resources, context)
    request = context.parameters(RenditionRequest)
    best_effort = context.job_parameters(TranscodeParameters).best_effort
    made = find_rendition(resources, asset, request, best_effort=best_effort)
    rendition = made or _make(resources, context, asset, request, best_effort=best_effort)
    stages = {**stage_seconds(context), "encode": round(time.monotonic() - began, 3)}
    work = Work(stages, is_reused=made is not None)
    return publish_rendition_output(resources, context, asset, request, rendition, work)


def publish_rendition_output(
    resources: StepResources,
    context: StepContext,
    asset: AssetRecord,
    request: RenditionRequest,
    rendition: Artifact,
    work: Work,
) -> StepOutcome:
    """Name the rendition among the outputs and the video's artifacts."""
    gaps = rendition.facts.get(GAPS, [])
    key = step_key(asset.sha256, request, has_gaps=bool(gaps))
    shelf = resources.render_dir
    output = export_output(
        resources.files, rendition.sha256, shelf, context.run.job_id, rendition.filename
    )
    result: dict[str, Any] = {
        "asset_id": asset.id,
        "output_path": str(output),
        "output_filename": rendition.filename,
        "made": [{"kind": rendition.kind.value, "variant": key[:12]}],
        "rendition": {
            "sha256": rendition.sha256,
            "size_bytes": rendition.size_bytes,
            "media_type": rendition.media_type,
            "facts": rendition.facts,
        },
        GAPS: gaps,
        "stages": work.stages,
        "reused": work.is_reused,
    }
    if work.chunks is not None:
        result["chunks"] = asdict(work.chunks)
    save = partial(
        assets.save_artifacts,
        asset_id=asset.id,
        step_key=key,
        artifacts=[rendition],
        variant=key[:12],
    )
    return StepOutcome(result, save)


def step_key(sha256: str, request: RenditionRequest, *, has_gaps: bool = False) -> str:
    """Return the key of the work: the same bytes, request and version are processed only once.

    What the best effort made of a damaged video has another, so that only it finds it again.
    """
    wanted = request.to_json() | ({GAPS: True} if has_gaps else {})
    return content_key(sha256, STAGE, STAGE_VERSION, wanted)


def find_rendition(
    resources: StepResources,
    asset: AssetRecord,
    request: RenditionRequest,
    *,
    best_effort: bool = False,
) -> Artifact | None:
    """Return the same rendition if it was created before and its file still exists.

    If the best effort will do and there is no other, one with gaps is returned.
    """
    keys = [step_key(asset.sha256, request)]
    if best_effort:
        keys.append(step_key(asset.sha256, request, has_gaps=True))
    found = (_find_by_key(resources, asset, request, key) for key in keys)
    return next((one for one in found if one is not None), None)


def _find_by_key(
    resources: StepResources, asset: AssetRecord, request: RenditionRequest, key: str
) -> Artifact | None:
    made = assets.find_step_artifacts(resources.database, key).get(ArtifactKind.RENDITION.value)
    if made is None or not resources.files.exists(made.sha256):
        return None
    # It may have been made for a video of the same bytes and another name.
    return replace(
        made,
        filename=name_rendition(
            asset.filename, request, made.facts.get("height"), made.facts.get("codec", "")
        ),
    )


def _make(
    resources: StepResources,
    context: StepContext,
    asset: AssetRecord,
    request: RenditionRequest,
    *,
    best_effort: bool,
) -> Artifact:
    info = context.result_of(PROBE).media
    require_space(resources, estimate_bytes(info, request))
    work = _encode_film if info.has_picture else _encode_sound
    outcome = work(resources, context, asset, request, best_effort=best_effort)
    if gaps := find_gaps(resources, context, asset.sha256, info, outcome):
        outcome = replace(outcome, facts={**outcome.facts, GAPS: gaps})
    return publish_rendition(resources, asset, request, outcome)


def _encode_film(
    resources: StepResources,
    context: StepContext,
    asset: AssetRecord,
    request: RenditionRequest,
    *,
    best_effort: bool,
) -> EncodeOutcome:
    info = context.result_of(PROBE).media

    def make(hardware: HardwareEncoder | None) -> EncodeOutcome:
        return encode_to_vmaf(
            lambda begin, share, message: ffmpeg_session(
                resources, context, message, begin=begin, share=share
            ),
            resources.files.require(asset.sha256),
            info,
            request,
            hardware=hardware,
            best_effort=best_effort,
        )

    return encode_with_fallback(resources, info, request, make, context.folder)


def _encode_sound(
    resources: StepResources,
    context: StepContext,
    asset: AssetRecord,
    request: RenditionRequest,
    *,
    best_effort: bool,
) -> EncodeOutcome:
    return encode_sound(
        ffmpeg_session(resources, context, "Encoding the sound"),
        resources.files.require(asset.sha256),
        context.result_of(PROBE).media,
        request,
        best_effort=best_effort,
    )


def publish_rendition(
    resources: StepResources,
    asset: AssetRecord,
    request: RenditionRequest,
    encoded: EncodeOutcome,
) -> Artifact:
    """Store a finished rendition with a readable name. Raises DiskFull."""
    return publish_artifact(
        resources.files,
        encoded.path,
        ArtifactKind.RENDITION,
        filename=name_rendition(
            asset.filename, request, encoded.facts.get("height"), encoded.facts["codec"]
        ),
        media_type=encoded.media_type,
        facts=encoded.facts,
    )


def name_rendition(filename: str, request: RenditionRequest, height: int | None, codec: str) -> str:
    """Return a name such as ``holiday-720p-h265.mp4``, or ``talk-aac.m4a`` of sound alone."""
    if height is None:
        return derive_name(filename, f"-{codec}.{SUFFIXES[request.container]}")
    return derive_name(filename, f"-{height}p-{request.codec.value}.{request.container.value}")


def estimate_bytes(info: MediaInfo, request: RenditionRequest) -> int:
    """Return the most bytes that the rendition will take, by its bitrate or its pixels."""
    seconds = info.duration_seconds_from_header
    bps = request.bitrate_bps if info.has_picture else 0
    if bps is None:
        width, height = fit_box(info, request)
        bps = int(width * height * float(request.fps or info.video.fps or 25) * BITS_PER_PIXEL)
    elif request.vmaf_min is not None:
        bps *= MAX_BITRATE_FACTOR
    sound_bps = sum(1 for _ in info.audio) * request.preset.sound_bitrate_bps * 2
    return MIN_BYTES + int(seconds * (bps + sound_bps) / 8)
