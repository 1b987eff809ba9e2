"""A stored video for adaptive streaming: as it is, at once if possible, then rung by rung."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cinemill.capabilities.streaming.encode_ladder import (
    MASTER_PLAYLIST,
    MEDIA_TYPES,
    LadderOutcome,
    copy_stream,
    list_rungs,
    make_ladder,
    tell_why_not_copied,
)
from cinemill.capabilities.streaming.ladder import Stream
from cinemill.capabilities.streaming.plan import RungsParameters
from cinemill.capabilities.streaming.sound_ladder import RUNGS_BPS, make_sound_ladder
from cinemill.core.media import Artifact, ArtifactKind, MediaInfo
from cinemill.core.tracks.joined import join_tracks
from cinemill.jobs.results import ResultOf
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.content_key import content_key
from cinemill.steps.ingestion.source_damage import GAPS, find_gaps
from cinemill.steps.named_outputs import export_output, folder_name
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

STAGE_VERSION = 4
"""Increase it when the same video would give other files."""
KEY_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class OpenResult:
    """What is known of early playback."""

    missing: Mapping[str, Any] = field(default_factory=dict)
    """Why the optional step failed; empty if it did not."""


OPENED = ResultOf("open", OpenResult)


def open_stream(resources: StepResources, context: StepContext) -> StepOutcome:
    """Write the source's own video in segments, to be watched while rungs are encoded.

    Result: ``asset_id``, ``playlist`` (the path below the asset's address, or None) and ``why``
    there is none. Raises OutputInvalid, CommandFailed, DiskFull.
    """
    asset = find_asset(resources, context)
    info = _read_info(context)
    if why := tell_why_not_copied(info):
        return StepOutcome({"asset_id": asset.id, "playlist": None, "why": why})
    require_space(resources, info.size_bytes)
    session = ffmpeg_session(resources, context, "Preparing early playback")
    outcome = copy_stream(session, resources.files.require(asset.sha256), info)
    key = step_key(asset.sha256, "copy", {})
    artifacts = publish(resources, outcome.files)
    result = {"asset_id": asset.id, "playlist": address(key, MASTER_PLAYLIST), "why": ""}
    return StepOutcome(result, lambda connection: _save(connection, asset.id, key, artifacts))


def build_ladder(resources: StepResources, context: StepContext) -> StepOutcome:
    """Encode every rung that the video needs, with playlists and manifest.

    Result: ``asset_id``, ``output_path`` (the playlist that players open), ``playlist`` (the path
    below the asset's address), ``rungs``, ``sounds``, ``changes``, ``gaps`` (what the best effort
    lacks), ``made``, ``stages``. Raises MediaRejected, OutputInvalid, CommandFailed, DiskFull.
    """
    began = time.monotonic()
    asset = find_asset(resources, context)
    info, params = _read_info(context), context.parameters(RungsParameters)
    require_space(resources, estimate_bytes(info))
    session = ffmpeg_session(resources, context, "Encoding the renditions")
    source = resources.files.require(asset.sha256)
    outcome = (
        make_ladder(session, source, info, params.preset, best_effort=params.best_effort)
        if info.has_picture
        else make_sound_ladder(session, source, info, best_effort=params.best_effort)
    )
    gaps = find_gaps(resources, context, asset.sha256, info, outcome)
    key = step_key(asset.sha256, "ladder", {"preset": params.preset.value})
    artifacts = publish(resources, outcome.files)
    shelf, job_id = resources.render_dir, context.run.job_id
    for one in artifacts:
        export_output(resources.files, one.sha256, shelf, job_id, one.filename)
    result = {
        "asset_id": asset.id,
        "output_path": str(shelf / folder_name(job_id) / MASTER_PLAYLIST),
        "output_filename": MASTER_PLAYLIST,
        "playlist": address(key, MASTER_PLAYLIST),
        **describe(outcome, sounds=len(join_tracks(info).audio) if not outcome.lacks_sound else 0),
        "changes": [*outcome.changes, *_list_missing(context)],
        GAPS: gaps,
        "made": [
            {"kind": one.kind.value, "variant": address(key, one.filename)} for one in artifacts
        ],
        "stages": {**stage_seconds(context), "ladder": round(time.monotonic() - began, 3)},
    }
    return StepOutcome(result, lambda connection: _save(connection, asset.id, key, artifacts))


def _list_missing(context: StepContext) -> list[str]:
    """Say why the video could not be watched while its rungs were encoded, if it was tried."""
    opened = context.find_result(OPENED) or OpenResult()
    reason = opened.missing.get("message", "")
    return [f"the stream as it is, for early playback, was left out: {reason}"] if reason else []


def step_key(sha256: str, stage: str, params: Mapping[str, str]) -> str:
    """Return the key of the work: the video's bytes, the stage, its version and its parameters."""
    return content_key(sha256, stage, STAGE_VERSION, params)


def address(key: str, filename: str) -> str:
    """Return a stream file's path below ``/assets/{id}/streams/``, its artifact variant."""
    return f"{key[:KEY_CHARACTERS]}/{filename}"


def publish(resources: StepResources, files: Sequence[Path]) -> list[Artifact]:
    """Move verified files into the store. Rows that point at them are written afterwards."""
    return [
        publish_artifact(
            resources.files,
            path,
            ArtifactKind.STREAM,
            filename=path.name,
            media_type=MEDIA_TYPES[path.suffix],
        )
        for path in files
    ]


def describe(outcome: LadderOutcome, *, sounds: int) -> dict[str, Any]:
    """Return the outputs as JSON values; those of sound alone have a width and a height of 0."""
    rungs = outcome.video_streams or outcome.audio_streams
    return {
        "frames": outcome.frames,
        "rungs": [_describe_rung(stream) for stream in rungs],
        "sounds": sounds,
        "changes": list(outcome.changes),
    }


def _describe_rung(stream: Stream) -> dict[str, Any]:
    return {
        "filename": stream.filename,
        "width": stream.width,
        "height": stream.height,
        "average_bps": stream.average_bps,
        "peak_bps": stream.peak_bps,
        "segments": len(stream.segments),
    }


def estimate_bytes(info: MediaInfo) -> int:
    """Return the most bytes that all rungs together will take."""
    if info.has_picture:
        bps = sum(rung.bitrate_bps for rung in list_rungs(info)) + 128_000 * len(info.audio)
    else:
        bps = sum(RUNGS_BPS) * len(info.audio)
    return 8 * 1024 * 1024 + int(info.duration_seconds_from_header * bps / 8)


def _read_info(context: StepContext) -> MediaInfo:
    return context.result_of(PROBE).media


def _save(connection: Connection, asset_id: str, key: str, artifacts: Sequence[Artifact]) -> None:
    for one in artifacts:
        assets.save_artifacts(connection, asset_id, key, [one], variant=address(key, one.filename))
