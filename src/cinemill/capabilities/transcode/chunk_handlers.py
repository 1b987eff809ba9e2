"""One long video encoded by all workers at once: cut into chunks, encoded apart, joined again.

The step that would encode the video examines it first. If chunks are worthwhile, it ends at once
and adds further steps in its place::

    encode ──► chunk… ──► join
        └────► tracks ─────┘

A chunk is named by the video, the request and its bounds, so that a lost one is re-created
identically, and one that is created twice is the same file.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from cinemill.capabilities.transcode import kinds
from cinemill.capabilities.transcode.chunks import (
    MAX_CHUNKS,
    Chunk,
    ChunkDurations,
    choose_lengths,
    cut_chunks,
    estimate_work,
)
from cinemill.capabilities.transcode.concat_chunks import FinishedChunk, concat_chunks
from cinemill.capabilities.transcode.encode_chunk import (
    ChunkOutcome,
    FrameIndex,
    can_cut,
    encode_chunk,
    encode_tracks,
    index_frames,
)
from cinemill.capabilities.transcode.handlers import (
    ChunkCounts,
    Work,
    encode_rendition,
    estimate_bytes,
    find_rendition,
    publish_rendition,
    publish_rendition_output,
)
from cinemill.capabilities.transcode.plan import ChunkParameters, TranscodeParameters
from cinemill.capabilities.transcode.results import (
    CHUNKS,
    CUT,
    TRACKS,
    ChunkResult,
    CutResult,
    TracksResult,
)
from cinemill.core.encoding.rendition import RenditionRequest
from cinemill.core.job import StepSpec
from cinemill.core.media import Artifact, ArtifactKind, MediaInfo
from cinemill.core.tracks.joined import join_tracks
from cinemill.jobs.results import read_result, write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.media.encoding.audio_plan import can_join
from cinemill.media.encoding.encode import EncodeOutcome, find_encoder
from cinemill.media.encoding.encode_plan import EncodePlan, fit_box, plan_encode
from cinemill.media.rejections import reject_media
from cinemill.steps.content_key import content_key
from cinemill.steps.encoder_choice import choose_encoder
from cinemill.steps.publish import publish_artifact
from cinemill.steps.resources import (
    StepResources,
    ffmpeg_session,
    find_asset,
    require_space,
    sum_stage_seconds,
)
from cinemill.steps.source.results import PROBE
from cinemill.storage.database import Connection
from cinemill.storage.jobs import statistics
from cinemill.storage.media import assets
from cinemill.storage.media.assets import AssetRecord

STAGE_VERSION = 4
"""Increase it when the same chunk would be another file."""
ENCODING = "Encoding"
INDEXING = "Finding split points"


@dataclass(frozen=True)
class RenditionTask:
    """A stored video and the rendition to encode."""

    asset: AssetRecord
    path: Path
    info: MediaInfo
    request: RenditionRequest
    plan: EncodePlan


def encode_or_split(resources: StepResources, context: StepContext) -> StepOutcome:
    """Encode the video whole, or if it is long and can be cut, leave that to further steps.

    Result: as that of :func:`encode_rendition`, or ``chunks``, their number. Raises as that does.
    """
    request = context.parameters(RenditionRequest)
    asset = find_asset(resources, context)
    best_effort = context.job_parameters(TranscodeParameters).best_effort
    is_sound = not context.result_of(PROBE).media.has_picture
    if not is_sound and find_rendition(resources, asset, request, best_effort=best_effort) is None:
        task = _open(resources, context, asset, request)
        hardware = choose_encoder(resources, task.info, request)
        lengths = _choose_lengths(resources, context, task) if hardware.encoder is None else None
        steps = [] if lengths is None else _plan_steps(resources, context, task, lengths)
        if steps:
            # Chunks, the video joined from them, and the rendition exist at the same time.
            require_space(resources, 3 * estimate_bytes(task.info, request))
            # With hardware, encoding in one piece is fast enough; without, all workers encode it as
            # usual.
            cut = CutResult(_count(steps), tuple(hardware.changes))
            return StepOutcome(write_result(cut), steps=steps)
    return encode_rendition(resources, context)


def _open(
    resources: StepResources, context: StepContext, asset: AssetRecord, request: RenditionRequest
) -> RenditionTask:
    info = context.result_of(PROBE).media
    if can_join(request):
        info = join_tracks(info)
    path = resources.files.require(asset.sha256)
    plan = plan_encode(
        str(path),
        info,
        request,
        encoder=find_encoder(resources.ffmpeg_binary, request.codec),
        can_tonemap=resources.ffmpeg_binary.can_tonemap,
        max_pixels=resources.limits.max_pixels,
    )
    return RenditionTask(asset, path, info, request, plan)


def _choose_lengths(
    resources: StepResources, context: StepContext, task: RenditionTask
) -> ChunkDurations | None:
    """Return how long chunks are to be; None if the video is encoded whole."""
    params = context.job_parameters(TranscodeParameters)
    requested_seconds = params.chunk_seconds
    # A rendition with a quality target is measured, and perhaps encoded again, as a whole.
    has_quality_target = task.request.vmaf_min is not None
    # A part that cannot be decoded may lie across chunks.
    is_whole = requested_seconds == 0 or has_quality_target or params.best_effort
    if is_whole or not can_cut(task.info, task.request):
        return None
    seconds = task.info.duration_seconds_from_header
    if requested_seconds is not None:
        return ChunkDurations.even(max(requested_seconds, seconds / MAX_CHUNKS))
    width, height = fit_box(task.info, task.request)
    work = estimate_work(seconds, width * height, float(task.info.video.fps), task.request)
    with resources.database.once() as connection:
        machines = statistics.count_machines(connection)
    return choose_lengths(seconds, work, max(1, machines) * resources.slots)


def _plan_steps(
    resources: StepResources, context: StepContext, task: RenditionTask, lengths: ChunkDurations
) -> list[StepSpec]:
    """Return the steps that replace this one; none if the video cannot be cut."""
    # Indexing takes no share of the progress, which belongs to the encoding after it.
    session = replace(
        ffmpeg_session(resources, context, ENCODING),
        on_progress=lambda _: context.report(0.0, INDEXING),
    )
    index = index_frames(session, task.path, task.info)
    if index is None:
        return []
    chunks = cut_chunks(
        index.marks, index.time_base, lengths, needs_lead=task.info.video.is_interlaced
    )
    if len(chunks) < 2:
        return []
    steps = _plan_chunks(task, index, chunks, resources.threads)
    if task.plan.audio_tracks or task.plan.subtitles:
        steps.append(StepSpec("tracks", kinds.ENCODE_TRACKS, task.request.to_json()))
    after = tuple(step.name for step in steps)
    return [*steps, StepSpec("join", kinds.JOIN_CHUNKS, task.request.to_json(), after)]


def _plan_chunks(
    task: RenditionTask, index: FrameIndex, chunks: Sequence[Chunk], threads: int
) -> list[StepSpec]:
    width = len(str(len(chunks) - 1))
    time_base = str(index.time_base)
    planned = [
        ChunkParameters(request=task.request, time_base=time_base, threads=threads, chunk=chunk)
        for chunk in chunks
    ]
    return [
        StepSpec(f"chunk-{number:0{width}d}", kinds.ENCODE_CHUNK, one.to_json())
        for number, one in enumerate(planned)
    ]


def _count(steps: Sequence[StepSpec]) -> int:
    return sum(step.kind == kinds.ENCODE_CHUNK for step in steps)


def encode_one_chunk(resources: StepResources, context: StepContext) -> StepOutcome:
    """Encode one chunk, unless it exists already.

    Result: ``key``, ``sha256``, ``frames``, ``settings``, ``is_whole`` (whether all expected frames
    were encoded), ``reused``, ``cpu_seconds``. Raises MediaRejected (``media_damaged``),
    OutputInvalid, CommandFailed, DiskFull.
    """
    params = context.parameters(ChunkParameters)
    task = _open(resources, context, find_asset(resources, context), params.request)
    key = name_chunk(task.asset.sha256, params, resources.ffmpeg_binary.build)
    cached = assets.take_cached(resources.database, key)
    if cached is not None and resources.files.exists(cached.sha256):
        return StepOutcome(_describe_chunk(cached, key, is_reused=True))
    outcome = encode_chunk(
        ffmpeg_session(resources, context, ENCODING),
        task.path,
        task.info,
        task.plan,
        params.chunk,
        time_base=Fraction(params.time_base),
        threads=params.threads,
    )
    if outcome.is_damaged:
        raise reject_media("media_damaged")
    artifact = _publish_chunk(resources, outcome, params.chunk)
    return StepOutcome(
        _describe_chunk(artifact, key, is_reused=False),
        partial(_save_chunk, asset_id=task.asset.id, key=key, artifact=artifact),
    )


def name_chunk(sha256: str, params: ChunkParameters, ffmpeg_version: str) -> str:
    """Return the key of a chunk: the same video, request, bounds and threads make the same one."""
    return content_key(sha256, "chunk", STAGE_VERSION, params.to_json(), ffmpeg_version)


def _describe_chunk(artifact: Artifact, key: str, *, is_reused: bool) -> dict[str, Any]:
    found = {**artifact.facts, "key": key, "sha256": artifact.sha256, "reused": is_reused}
    return write_result(read_result(ChunkResult, found))


def _publish_chunk(resources: StepResources, outcome: ChunkOutcome, chunk: Chunk) -> Artifact:
    return publish_artifact(
        resources.files,
        outcome.path,
        ArtifactKind.PIECE,
        filename=outcome.path.name,
        media_type="video/mp4",
        facts={
            "frames": outcome.frames,
            "delay": outcome.delay,
            "settings": outcome.settings,
            "is_whole": outcome.frames == chunk.frames,
            "cpu_seconds": round(outcome.cpu_seconds, 3),
        },
    )


def _save_chunk(connection: Connection, *, asset_id: str, key: str, artifact: Artifact) -> None:
    assets.save_artifacts(connection, asset_id, key, [artifact], variant=key)


def encode_audio_and_subtitles(resources: StepResources, context: StepContext) -> StepOutcome:
    """Encode audio and subtitles in one piece, while the chunks are encoded.

    Result: ``key``, ``sha256``, ``changes``. Raises MediaRejected (``media_damaged``),
    CommandFailed, DiskFull.
    """
    request = context.parameters(RenditionRequest)
    task = _open(resources, context, find_asset(resources, context), request)
    made = encode_tracks(
        ffmpeg_session(resources, context, ENCODING),
        task.path,
        task.info,
        task.plan,
        request,
    )
    key = content_key(task.asset.sha256, "tracks", request.to_json())
    artifact = publish_artifact(
        resources.files,
        made.path,
        ArtifactKind.PIECE,
        filename=made.path.name,
        media_type=task.plan.media_type,
        facts={},
    )
    return StepOutcome(
        write_result(TracksResult(key, artifact.sha256, made.changes)),
        partial(_save_chunk, asset_id=task.asset.id, key=key, artifact=artifact),
    )


def join_chunks(resources: StepResources, context: StepContext) -> StepOutcome:
    """Join chunks and tracks into the rendition, and forget them.

    If they turn out not to be the video's frames, each once, a further step encodes the video
    whole.

    Result: as that of :func:`encode_rendition`, and ``chunks`` (``total``, ``reused``). Raises
    OutputInvalid, CommandFailed, DiskFull.
    """
    began = time.monotonic()
    request = context.parameters(RenditionRequest)
    chunk_results = list(context.results_of(CHUNKS).values())
    if reason := _find_problem(chunk_results):
        return _encode_whole(request, chunk_results, reason)
    task = _open(resources, context, find_asset(resources, context), request)
    tracks = context.find_result(TRACKS)
    parts: list[ChunkResult | TracksResult] = [*chunk_results, *([tracks] if tracks else [])]
    if not all(resources.files.exists(part.sha256) for part in parts):
        # Another job may just have joined and forgotten them: then this one finds the rendition.
        return _encode_whole(request, chunk_results, "a chunk was removed before it was joined")
    path, facts = concat_chunks(
        ffmpeg_session(resources, context, "Joining"),
        [
            FinishedChunk(resources.files.require(one.sha256), one.frames, one.delay, one.settings)
            for one in chunk_results
        ],
        None if tracks is None else resources.files.require(tracks.sha256),
        task.path,
        task.info,
        request,
        task.plan,
    )
    facts |= {"encoder": task.plan.encoder, "hardware": None}
    made = tracks.changes if tracks else ()
    facts["changes"] = list(
        dict.fromkeys([*task.plan.changes, *made, *context.result_of(CUT).changes])
    )
    joined = EncodeOutcome(path, task.plan.media_type, facts, cpu_seconds=0.0)
    rendition = publish_rendition(resources, task.asset, request, joined)
    work = Work(
        stages={**sum_stage_seconds(context), "join": round(time.monotonic() - began, 3)},
        is_reused=False,
        chunks=ChunkCounts(
            total=len(chunk_results), reused=sum(one.reused for one in chunk_results)
        ),
    )
    outcome = publish_rendition_output(resources, context, task.asset, request, rendition, work)
    keys = [part.key for part in parts]

    def write(connection: Connection) -> None:
        outcome.write(connection)
        assets.forget_steps(connection, keys)

    return StepOutcome(outcome.result, write)


def _find_problem(chunk_results: Sequence[ChunkResult]) -> str:
    """Return why these chunks cannot be joined; empty if they can."""
    if not all(one.is_whole for one in chunk_results):
        return "its frames could not be identified by their timestamps"
    if len({one.settings for one in chunk_results}) > 1:
        return "its chunks were encoded by different encoders"
    return ""


def _encode_whole(
    request: RenditionRequest, chunk_results: Sequence[ChunkResult], reason: str
) -> StepOutcome:
    """Return a further step that encodes the video in one piece, and forget the chunks."""
    return StepOutcome(
        {"encoded_whole_because": reason},
        partial(assets.forget_steps, step_keys=[one.key for one in chunk_results]),
        [StepSpec("whole", kinds.ENCODE_WHOLE, request.to_json())],
    )
