"""Creating every file of ingest from one video by one decode; on an error, an empty folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from cinemill.capabilities.ingest.graph import plan_prepare
from cinemill.capabilities.ingest.request import PreparePlan, PrepareRequest
from cinemill.core.media import ArtifactKind, MediaInfo
from cinemill.errors import MediaRejected, OutputInvalid
from cinemill.media.encoding.steady_audio import with_steady_audio
from cinemill.media.ffmpeg.channels import list_steady
from cinemill.media.ffmpeg.process import FfmpegFailed, FfmpegProgress, FfmpegReport
from cinemill.media.ffmpeg.progress import LogSummary
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.rejections import reject_media
from cinemill.media.text_tracks import write_sprite_index
from cinemill.media.verify.integrity import (
    Decoded,
    blame_source,
    ends_cleanly,
    find_flaw,
    find_log_flaw,
)
from cinemill.media.verify.outputs import inspect_output

__all__ = ["PrepareOutcome", "PrepareRequest", "PreparedFile", "prepare"]

OUTPUT_TOLERANCE_SECONDS = 0.25
GAP_STEPS = 1.8
GAP_WARNING = "frames may be missing"
"""A constant rate with a gap in it: some containers lose packets without reporting it."""
SPRITE_INDEX_FILENAME = "sprite.vtt"


@dataclass(frozen=True, slots=True)
class PreparedFile:
    """A verified output in the private folder."""

    kind: ArtifactKind
    path: Path
    media_type: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PrepareOutcome:
    files: tuple[PreparedFile, ...]
    decoded_frames: int
    decoded_seconds: float
    warnings: tuple[str, ...]
    changes: tuple[str, ...]
    """What was converted on purpose; among the facts of the proxy, too."""
    wall_seconds: float
    cpu_seconds: float
    """FFmpeg's own, without starting and checking."""
    peak_rss_bytes: int
    flaw: str = ""
    """Code of why the source is not complete; only where the best is made of it all the same."""
    lacks_sound: bool = False
    """Whether its audio was left out, because nothing can be made of it."""


def prepare(
    session: FfmpegSession, source: Path, info: MediaInfo, request: PrepareRequest
) -> PrepareOutcome:
    """Create every file of ingest from ``source`` in the folder, which must be empty and private.

    On any error the folder is empty again. With ``best_effort`` a damaged source is no error if it
    has a frame; where its audio is of no use, it is left out.

    Raises MediaRejected (``media_truncated``, ``media_damaged``), OutputInvalid, CommandFailed,
    CommandStalled, DiskFull, and whatever ``should_stop`` returns.
    """
    try:
        return with_steady_audio(
            session, source, info, lambda steady: _prepare(session, source, steady, request)
        )
    except MediaRejected:
        if not (request.best_effort and info.audio):
            raise
    outcome = _prepare(session, source, replace(info, audio=()), request)
    return replace(outcome, flaw=outcome.flaw or "media_damaged", lacks_sound=True)


class _EndGuessed(Exception):
    """Outputs outlast the video.

    FFmpeg lets a last frame of which nothing is said last as long as the step before it, which may
    be a long gap.
    """

    def __init__(self, end_seconds: float) -> None:
        super().__init__(end_seconds)
        self.end_seconds = end_seconds


def _prepare(
    session: FfmpegSession, source: Path, info: MediaInfo, request: PrepareRequest
) -> PrepareOutcome:
    try:
        return _prepare_until(session, source, info, request, None)
    except _EndGuessed as guessed:
        return _prepare_until(session, source, info, request, guessed.end_seconds)


def _prepare_until(
    session: FfmpegSession,
    source: Path,
    info: MediaInfo,
    request: PrepareRequest,
    end_seconds: float | None,
) -> PrepareOutcome:
    plan = plan_prepare(
        str(source),
        info,
        request,
        can_tonemap=session.binary.can_tonemap,
        max_pixels=session.limits.max_pixels,
        end_seconds=end_seconds,
    )
    try:
        report = session.run(
            plan.arguments,
            readable=[source],
            on_progress=_as_share(
                session.on_progress, info.duration_seconds_from_header * request.proxy_fps
            ),
        )
        return _check(plan, report, info, source, session.folder, request)
    except FfmpegFailed as failed:
        empty(session.folder, info)
        if failed.tally.audio_changed:
            raise
        raise blame(failed) from failed
    except BaseException:
        empty(session.folder, info)
        raise


def blame(failed: FfmpegFailed) -> MediaRejected | FfmpegFailed:
    """Return the rejection of a source over which a command failed; else the failure itself."""
    blamed = blame_source(failed)
    if blamed is None and failed.code == "out_of_memory":
        # It decodes to more than fits.
        return reject_media("media_out_of_memory")
    return blamed or failed


def _as_share(
    on_progress: Callable[[float], None], proxy_frames: float
) -> Callable[[FfmpegProgress], None]:
    """Report progress by frames of the proxy, FFmpeg's first output.

    FFmpeg's time is unsuitable: it is the latest of all outputs, and the frame of a still or a
    sprite lasts as long as the video.
    """

    def report_share(progress: FfmpegProgress) -> None:
        if proxy_frames > 0:
            on_progress(min(1.0, progress.frame / proxy_frames))

    return report_share


def _check(
    plan: PreparePlan,
    report: FfmpegReport,
    info: MediaInfo,
    source: Path,
    folder: Path,
    request: PrepareRequest,
) -> PrepareOutcome:
    tally = report.tally
    if tally.video_frames == 0:
        raise reject_media("media_damaged")
    has_clean_end = ends_cleanly(source, info.format)
    facts = _inspect(plan, folder, tally, has_clean_end)
    shots = facts[ArtifactKind.SHOT_FRAMES]
    audio = facts.get(ArtifactKind.AUDIO, {})
    decoded = Decoded(shots["frames"], shots["duration_seconds"], audio.get("duration_seconds"))
    flaw = find_flaw(info, tally, decoded, has_clean_end=has_clean_end)
    if flaw and not request.best_effort:
        raise reject_media(flaw)
    # Of a flawed source, the outputs need not agree: each lacks what could not be decoded for it.
    if not flaw:
        proxy = facts[ArtifactKind.PROXY]
        outlasts = _outlasts(proxy["duration_seconds"], proxy["fps"], decoded)
        if outlasts and not plan.has_measured_end:
            raise _EndGuessed(decoded.seconds)
        _compare(plan, facts, decoded, tally)
    files = [
        PreparedFile(output.kind, folder / output.filename, output.media_type, facts[output.kind])
        for output in plan.outputs
    ]
    for file in files:
        if file.kind is ArtifactKind.PROXY:
            file.facts["changes"] = list(plan.changes)
    files.append(_index_sprite(plan, files, decoded, folder))
    return PrepareOutcome(
        files=tuple(files),
        decoded_frames=decoded.frames,
        decoded_seconds=decoded.seconds,
        warnings=_warnings(plan, info, tally, shots),
        changes=plan.changes,
        wall_seconds=report.wall_seconds,
        cpu_seconds=tally.cpu_seconds,
        peak_rss_bytes=tally.peak_rss_bytes,
        flaw=flaw,
    )


def _inspect(
    plan: PreparePlan, folder: Path, tally: LogSummary, has_clean_end: bool
) -> dict[ArtifactKind, dict[str, Any]]:
    """Return facts of every output.

    If one is wrong and the video is known to be damaged, the error names the video.
    """
    try:
        return {
            output.kind: inspect_output(folder / output.filename, output) for output in plan.outputs
        }
    except OutputInvalid as wrong:
        flaw = find_log_flaw(tally, has_clean_end=has_clean_end)
        raise (reject_media(flaw) if flaw else wrong) from wrong


def _outlasts(proxy_seconds: float, proxy_fps: float, decoded: Decoded) -> bool:
    """Check whether the preview copy's picture lasts longer than the video's."""
    return proxy_seconds > decoded.seconds + OUTPUT_TOLERANCE_SECONDS + 1 / proxy_fps


def _compare(
    plan: PreparePlan,
    facts: dict[ArtifactKind, dict[str, Any]],
    decoded: Decoded,
    tally: LogSummary,
) -> None:
    """Compare outputs with each other: as many frames as were decoded, and equal durations."""
    if decoded.frames != tally.video_frames:
        raise OutputInvalid(
            f"{tally.video_frames} frames were decoded and {decoded.frames} written."
        )
    for output in plan.outputs:
        seconds = facts[output.kind].get("duration_seconds")
        if not output.fps or seconds is None:
            continue
        slack = OUTPUT_TOLERANCE_SECONDS + float(1 / output.fps) + _frame_seconds(decoded)
        if abs(seconds - decoded.seconds) > slack:
            raise OutputInvalid(
                f"{output.filename} lasts {seconds:.3f} s, the video {decoded.seconds:.3f} s."
            )


def _frame_seconds(decoded: Decoded) -> float:
    return decoded.seconds / decoded.frames


def _index_sprite(
    plan: PreparePlan, files: list[PreparedFile], decoded: Decoded, folder: Path
) -> PreparedFile:
    sheet = next(file for file in files if file.kind is ArtifactKind.SPRITE)
    layout = plan.sprite
    picture, audio = (
        Fraction(seconds).limit_denominator(1000)
        for seconds in (decoded.seconds, decoded.audio_seconds or 0.0)
    )
    index = folder / SPRITE_INDEX_FILENAME
    text = write_sprite_index(layout, picture, sheet.path.name, end_seconds=audio)
    index.write_text(text, encoding="utf-8")
    tiles = {
        "columns": layout.columns,
        "rows": layout.rows,
        "tile_width": layout.tile_width,
        "tile_height": layout.tile_height,
        "interval_seconds": float(layout.interval_seconds),
    }
    sheet.facts.update(tiles)
    return PreparedFile(ArtifactKind.SPRITE_INDEX, index, "text/vtt", dict(tiles))


def _warnings(
    plan: PreparePlan, info: MediaInfo, tally: LogSummary, shots: dict[str, Any]
) -> tuple[str, ...]:
    found = list(plan.warnings)
    if tally.reconfigured:
        found.append("the frame size or format changes during the video")
    longest = shots.get("longest_step_seconds", 0.0)
    if not info.video.is_variable_rate and longest > GAP_STEPS * shots.get("usual_step_seconds", 1):
        at = shots["longest_step_at_seconds"]
        found.append(f"{GAP_WARNING}: none for {longest:.3f} s from {at:.3f} s on")
    return tuple(found)


def empty(folder: Path, info: MediaInfo) -> None:
    """Remove all files of the private folder but the source's tracks with files of their own."""
    kept = {track.filename for track in list_steady(info)}
    for left in folder.iterdir():
        if left.name not in kept:
            left.unlink(missing_ok=True)
