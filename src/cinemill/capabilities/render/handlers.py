"""A timeline rendered: its pieces rendered unless they are cached, its audio mixed, all joined."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from cinemill.capabilities.render.audio.audio_mix import has_audio, list_folds, mix_audio
from cinemill.capabilities.render.audio.audio_overlays import resolve_overlays
from cinemill.capabilities.render.context import (
    RenderContext,
    cache,
    find_cached,
    find_videos,
    read_context,
)
from cinemill.capabilities.render.pieces.clip_filters import resolve_background, resolve_stills
from cinemill.capabilities.render.pieces.join import MEDIA_TYPE, JoinPiece, join_pieces
from cinemill.capabilities.render.pieces.piece_request import (
    GAP,
    ClipSpan,
    PieceRequest,
    piece_key,
    request_audio,
    request_piece,
    restrict_to,
    sound_key,
)
from cinemill.capabilities.render.pieces.render_piece import PieceOutcome, render_piece
from cinemill.capabilities.render.plan import (
    REMAKE_STEP,
    RENDER_CODEC,
    RENDER_STEP,
    PiecesParameters,
    find_pieces,
    plan_remake,
)
from cinemill.capabilities.render.results import (
    JOINED,
    MIXED,
    REMADE,
    RENDERED,
    VALIDATED,
    JoinResult,
    MixResult,
    PieceFacts,
    PieceResult,
    PiecesResult,
    StoredAudio,
)
from cinemill.capabilities.render.timeline.pieces import Piece, place_clips, split_into_pieces
from cinemill.capabilities.render.timeline.timeline import name_clip, with_location
from cinemill.core.media import Artifact, ArtifactKind
from cinemill.core.output import OutputFormat
from cinemill.core.text.file_names import derive_name
from cinemill.errors import InputRejected, MediaRejected, OutputInvalid
from cinemill.jobs.results import read_result, write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.media.encoding.hardware import HardwareEncoder
from cinemill.steps.content_key import content_key
from cinemill.steps.encoder_choice import EncoderChoice, find_encoder, run_with_fallback
from cinemill.steps.named_outputs import export_output
from cinemill.steps.publish import publish_artifact
from cinemill.steps.resources import (
    StepResources,
    ffmpeg_session,
    sum_stage_seconds,
)
from cinemill.storage.database import Connection
from cinemill.storage.jobs import job_changes
from cinemill.storage.media import assets

STAGE_VERSION = 2
PLANNED_OTHERWISE = "This render was planned by another version."
MIXED_ENCODERS = (
    "encoded in software: the workers have different hardware, and all pieces of a video "
    "need the same encoder"
)


def render_pieces(resources: StepResources, context: StepContext) -> StepOutcome:
    """Render the pieces ``first`` to ``first + count`` of the timeline that are not cached.

    Result: ``pieces`` in order (``sha256``, ``facts``, ``reused``, ``hardware``, ``changes``),
    ``cpu_seconds``. Raises MediaRejected naming the clip, OutputInvalid, ToolMissing,
    CommandFailed, DiskFull.
    """
    edit = read_context(context)
    params = context.parameters(PiecesParameters)
    pieces = find_pieces(edit.timeline, params)
    if pieces is None:
        raise OutputInvalid(PLANNED_OTHERWISE, hint="Submit it again.")
    renderer = PieceRenderer(
        resources, context, edit, pieces, may_use_hardware=not params.in_software
    )
    made = tuple(renderer.render(number, piece) for number, piece in enumerate(pieces))
    return StepOutcome(write_result(PiecesResult(made, round(renderer.cpu_seconds, 3))))


class PieceRenderer:
    """Renders the pieces of one step, one after the other."""

    def __init__(
        self,
        resources: StepResources,
        context: StepContext,
        edit: RenderContext,
        pieces: Sequence[Piece],
        *,
        may_use_hardware: bool,
    ) -> None:
        self._resources = resources
        self._context = context
        self._edit = edit
        self._count = len(pieces)
        self._uses_hardware = edit.timeline.use_gpu and may_use_hardware
        self._places = place_clips(edit.timeline)
        self._near = restrict_to(edit.timeline, edit.subtitles, pieces)
        self._videos = find_videos(resources, edit)
        self.cpu_seconds = 0.0

    def render(self, number: int, piece: Piece) -> PieceResult:
        timeline, subtitles = self._near
        unresolved = request_piece(timeline, piece, self._places, self._edit.hashes, subtitles)
        request = resolve_stills(self._videos, resolve_background(self._videos, unresolved))
        choice = self._choose_encoder()
        key = self._key_of(request, choice)
        made = artifact = find_cached(self._resources, key, ArtifactKind.PIECE)
        copied = 0
        if artifact is None:
            outcome, choice = self._render(number, piece, request, choice)
            copied = outcome.copied_frames
            key = self._key_of(request, choice)
            artifact = self._publish(request, outcome, key)
        self._context.report((number + 1) / self._count, "Rendering")
        return PieceResult(
            key,
            artifact.sha256,
            read_result(PieceFacts, artifact.facts),
            reused=made is not None,
            copied_frames=copied,
            hardware=choice.encoder.family.name if choice.encoder else None,
            changes=tuple(choice.changes),
        )

    def _choose_encoder(self) -> EncoderChoice:
        """Choose for each piece again: hardware may have failed meanwhile."""
        if not self._uses_hardware:
            return EncoderChoice()
        return find_encoder(self._resources, RENDER_CODEC, is_deep=False)

    def _key_of(self, request: PieceRequest, choice: EncoderChoice) -> str:
        build = self._resources.ffmpeg_binary.build
        encoder = choice.encoder
        return piece_key(request, f"{build} {encoder.name}" if encoder else build)

    def _clip_names(self, piece: Piece, request: PieceRequest) -> str:
        """Return the names of all elements whose sources are in the piece.

        FFmpeg does not say which of them is at fault.
        """
        edit = self._edit
        inset = {one.take.sha256 for one in request.insets}
        overlays = [o.name for o in edit.timeline.overlays if edit.hashes.get(o.source) in inset]
        return " or ".join([name_clip(piece.clip), *overlays])

    def _render(
        self, number: int, piece: Piece, request: PieceRequest, choice: EncoderChoice
    ) -> tuple[PieceOutcome, EncoderChoice]:
        resources, context = self._resources, self._context
        session = replace(
            ffmpeg_session(resources, context, "Rendering"),
            on_progress=lambda part: context.report((number + part) / self._count, "Rendering"),
        )

        def render(hardware: HardwareEncoder | None) -> PieceOutcome:
            return render_piece(session, self._videos, request, "piece.mp4", hardware)

        try:
            return run_with_fallback(resources, choice, render, context.folder)
        except MediaRejected as error:
            raise with_location(self._clip_names(piece, request), error) from error

    def _publish(self, request: PieceRequest, outcome: PieceOutcome, key: str) -> Artifact:
        self.cpu_seconds += outcome.cpu_seconds
        artifact = publish_artifact(
            self._resources.files,
            outcome.path,
            ArtifactKind.PIECE,
            filename="piece.mp4",
            media_type=MEDIA_TYPE,
            facts=outcome.facts,
        )
        cache(self._resources, self._edit, _find_owner(self._edit, request.takes), key, artifact)
        return artifact


def _find_owner(edit: RenderContext, takes: Sequence[ClipSpan]) -> str:
    """Return the sha256 of the video that an output is kept with; for a gap, the first video's."""
    seen = (take.sha256 for take in takes if take.sha256 != GAP)
    return next(seen, None) or edit.hashes[edit.timeline.sources[0]]


def mix_render(resources: StepResources, context: StepContext) -> StepOutcome:
    """Mix the audio of the whole timeline, unless it is cached.

    Result: ``sound`` (``key``, ``sha256``), None where no clip has any; ``reused``. Raises
    OutputInvalid, CommandFailed, DiskFull.
    """
    edit = read_context(context)
    videos = find_videos(resources, edit)
    request = resolve_overlays(videos, request_audio(edit.timeline, edit.hashes))
    if not has_audio(videos, request):
        return StepOutcome(write_result(MixResult(None)))
    key = sound_key(request, resources.ffmpeg_binary.build)
    made = find_cached(resources, key, ArtifactKind.MIX)
    changes = list_folds(videos, request)
    if made is not None:
        found = StoredAudio(key, made.sha256)
        return StepOutcome(write_result(MixResult(found, changes, reused=True)))
    outcome = mix_audio(ffmpeg_session(resources, context, "Mixing the audio"), videos, request)
    artifact = publish_artifact(
        resources.files,
        outcome.path,
        ArtifactKind.MIX,
        filename="sound.m4a",
        media_type="audio/mp4",
        facts=outcome.facts,
    )
    cache(resources, edit, _find_owner(edit, ()), key, artifact)
    return StepOutcome(write_result(MixResult(StoredAudio(key, artifact.sha256), changes)))


def join_render(resources: StepResources, context: StepContext) -> StepOutcome:
    """Join the outputs of earlier steps into one MP4, and export it under its name.

    If several kinds of hardware encoded pieces, or hardware failed at some, the pieces cannot be
    joined: those from hardware are encoded again in software, by further steps.

    Result: ``asset_id`` (of the first video), ``asset_ids``, ``output_path``, ``output_filename``,
    ``render`` (with ``facts``), ``pieces`` (``total``, ``reused``, and ``copied_frames``: of those
    rendered now, frames copied from a clip's video), ``stages`` in seconds. Raises
    InputRejected (``piece_missing``), OutputInvalid, DiskFull.
    """
    began = time.monotonic()
    edit = read_context(context)
    made = [piece for pieces in _list_pieces(context).values() for piece in pieces]
    if len(made) != len(split_into_pieces(edit.timeline)):
        raise OutputInvalid(PLANNED_OTHERWISE, hint="Submit it again.")
    encoders = {one.hardware for one in made}
    if len({one.facts.settings for one in made}) > 1 and encoders != {None}:
        left = JoinResult(tuple(_list_changes(made)) or (MIXED_ENCODERS,))
        return StepOutcome(write_result(left), steps=plan_remake(_list_pieces(context)))
    sound = context.result_of(MIXED).sound
    asset_ids = context.result_of(VALIDATED).asset_ids
    asset = assets.get_asset(resources.database, asset_ids[0])
    key = _name_render(made, sound, edit.timeline.output)
    render = find_cached(resources, key, ArtifactKind.RENDER) or _join(
        resources, context, edit.timeline.output, made, sound
    )
    filename = derive_name(asset.filename, f"-render-{edit.timeline.output.height}p.mp4")
    path = export_output(
        resources.files, render.sha256, resources.render_dir, context.run.job_id, filename
    )
    result = {
        "asset_id": asset.id,
        "asset_ids": list(asset_ids),
        "output_path": str(path),
        "output_filename": filename,
        "render": _describe(render, key, encoders, _list_all_changes(context, made)),
        "made": [{"kind": render.kind.value, "variant": key[:12]}],
        "pieces": _count(made),
        "stages": {**sum_stage_seconds(context), "join": round(time.monotonic() - began, 3)},
    }
    return StepOutcome(
        result, partial(_save, job_id=context.run.job_id, asset_id=asset.id, key=key, render=render)
    )


def _describe(
    render: Artifact, key: str, encoders: Collection[str | None], changes: list[str]
) -> dict[str, Any]:
    hardware = next(iter(encoders)) if len(encoders) == 1 else None
    return {
        "kind": render.kind.value,
        "variant": key[:12],
        "sha256": render.sha256,
        "size_bytes": render.size_bytes,
        "media_type": render.media_type,
        "facts": {**render.facts, "hardware": hardware, "changes": changes},
    }


def _count(made: Sequence[PieceResult]) -> dict[str, int]:
    return {
        "total": len(made),
        "reused": sum(one.reused for one in made),
        "copied_frames": sum(one.copied_frames for one in made),
    }


def _list_pieces(context: StepContext) -> dict[str, Sequence[PieceResult]]:
    """Return the pieces by the step that was planned for them, in order.

    Pieces that were encoded again replace the first ones.
    """
    again = context.results_of(REMADE)
    return {
        name: again.get(name.replace(RENDER_STEP, REMAKE_STEP), rendered).pieces
        for name, rendered in context.results_of(RENDERED).items()
    }


def _list_all_changes(context: StepContext, made: Sequence[PieceResult]) -> list[str]:
    """Return all changes, including those of a join that had pieces encoded again."""
    earlier = context.find_result(JOINED)
    pictures = list(earlier.changes) if earlier and earlier.changes else _list_changes(made)
    return [*pictures, *context.result_of(MIXED).changes]


def _list_changes(made: Sequence[PieceResult]) -> list[str]:
    """Return why pieces were encoded in software instead of hardware, each reason once."""
    return list(dict.fromkeys(change for one in made for change in one.changes))


def _name_render(
    made: Sequence[PieceResult], sound: StoredAudio | None, output: OutputFormat
) -> str:
    keys = [*(one.key for one in made), sound.key if sound else "", str(output.fps)]
    return content_key("render", STAGE_VERSION, keys)


def _join(
    resources: StepResources,
    context: StepContext,
    output: OutputFormat,
    made: Sequence[PieceResult],
    sound: StoredAudio | None,
) -> Artifact:
    pieces = [
        JoinPiece(
            _find_part(resources, one.sha256),
            one.facts.frames,
            one.facts.delay,
            one.facts.settings,
        )
        for one in made
    ]
    mix = _find_part(resources, sound.sha256) if sound else None
    path = context.folder / "film.mp4"
    facts = join_pieces(
        pieces,
        mix,
        output,
        path,
        on_progress=lambda share: context.report(share, "Joining"),
        should_stop=context.should_stop,
    )
    return publish_artifact(
        resources.files,
        path,
        ArtifactKind.RENDER,
        filename="render.mp4",
        media_type=MEDIA_TYPE,
        facts=facts,
    )


def _find_part(resources: StepResources, sha256: str) -> Path:
    """Return the path of a stored piece or of the audio. Raises InputRejected (``piece_missing``).

    It is not retried: the steps that created the file have ended.
    """
    if not resources.files.exists(sha256):
        raise InputRejected(
            "A piece of this video was removed before the pieces were joined.",
            code="piece_missing",
            hint="Submit the timeline again; pieces that still exist are reused.",
        )
    return resources.files.require(sha256)


def _save(
    connection: Connection, *, job_id: str, asset_id: str, key: str, render: Artifact
) -> None:
    assets.save_artifacts(connection, asset_id, key, [render], variant=key[:12])
    job_changes.assign_asset(connection, job_id, asset_id)
