"""Creating every file of ingest from one video by one decode; on an error, an empty folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from cinemill.capabilities.ingest.graph import plan_prepare
from cinemill.capabilities.ingest.request import PreparePlan, PrepareRequest
from cinemill.core.media import REJECTION_CODES, ArtifactKind, MediaInfo
from cinemill.errors import MediaRejected, OutputInvalid
from cinemill.media.ffmpeg.process import FfmpegFailed, FfmpegProgress, FfmpegReport
from cinemill.media.ffmpeg.progress import LogSummary
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.text_tracks import write_sprite_index
from cinemill.media.verify.integrity import Decoded, check_integrity, ends_cleanly, is_damaged
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
    wall_seconds: float
    cpu_seconds: float
    """FFmpeg's own, without starting and checking."""
    peak_rss_bytes: int


def prepare(
    session: FfmpegSession, source: Path, info: MediaInfo, request: PrepareRequest
) -> PrepareOutcome:
    """Create every file of ingest from ``source`` in the folder, which must be empty and private.

    On any error the folder is empty again.

    Raises MediaRejected (``media_truncated``, ``media_damaged``), OutputInvalid, CommandFailed,
    CommandStalled, DiskFull, and whatever ``should_stop`` returns.
    """
    plan = plan_prepare(
        str(source),
        info,
        request,
        can_tonemap=session.binary.can_tonemap,
        max_pixels=session.limits.max_pixels,
    )
    try:
        report = session.run(
            plan.arguments,
            readable=[source],
            on_progress=_as_share(
                session.on_progress, info.duration_seconds_from_header * request.proxy_fps
            ),
        )
        return _check(plan, report, info, source, session.folder)
    except FfmpegFailed as failed:
        _empty(session.folder)
        raise (_blame_source(failed) or failed) from failed
    except BaseException:
        _empty(session.folder)
        raise


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
    plan: PreparePlan, report: FfmpegReport, info: MediaInfo, source: Path, folder: Path
) -> PrepareOutcome:
    tally = report.tally
    if tally.video_frames == 0:
        raise _reject("media_damaged")
    has_clean_end = ends_cleanly(source, info.format)
    facts = _inspect(plan, folder, tally, has_clean_end)
    shots = facts[ArtifactKind.SHOT_FRAMES]
    audio = facts.get(ArtifactKind.AUDIO, {})
    decoded = Decoded(shots["frames"], shots["duration_seconds"], audio.get("duration_seconds"))
    check_integrity(info, tally, decoded, has_clean_end=has_clean_end)
    _compare(plan, facts, decoded, tally)
    files = [
        PreparedFile(output.kind, folder / output.filename, output.media_type, facts[output.kind])
        for output in plan.outputs
    ]
    files.append(_index_sprite(plan, files, decoded, folder))
    return PrepareOutcome(
        files=tuple(files),
        decoded_frames=decoded.frames,
        decoded_seconds=decoded.seconds,
        warnings=_warnings(plan, info, tally, shots),
        wall_seconds=report.wall_seconds,
        cpu_seconds=tally.cpu_seconds,
        peak_rss_bytes=tally.peak_rss_bytes,
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
        blamed = _media_error(tally, has_clean_end=has_clean_end)
        raise (blamed or wrong) from wrong


def _blame_source(failed: FfmpegFailed) -> MediaRejected | None:
    """Return the video's part in it: that it is damaged, or decodes to more than fits.

    If FFmpeg started, read it and gave up, it would do the same again: a track without a single
    sound that can be decoded, for instance, leaves the file of that sound without a beginning.
    """
    blamed = _media_error(failed.tally)
    if blamed is None and failed.code == "out_of_memory":
        return _reject("media_out_of_memory")
    if blamed is None and failed.code == "command_failed" and failed.tally.gave_up:
        return _reject("media_damaged")
    return blamed


def _media_error(tally: LogSummary, *, has_clean_end: bool = True) -> MediaRejected | None:
    if tally.ended_early or not has_clean_end:
        return _reject("media_truncated")
    return _reject("media_damaged") if is_damaged(tally) else None


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
    duration = Fraction(decoded.seconds).limit_denominator(1000)
    index = folder / SPRITE_INDEX_FILENAME
    index.write_text(write_sprite_index(layout, duration, sheet.path.name), encoding="utf-8")
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


def _empty(folder: Path) -> None:
    for left in folder.iterdir():
        left.unlink(missing_ok=True)


def _reject(code: str) -> MediaRejected:
    return MediaRejected(REJECTION_CODES[code], code=code)
