"""One piece of a timeline rendered and verified: exactly its frames, at exactly their times."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from cinemill.capabilities.render.pieces.clip_filters import (
    StoredVideo,
    tail_seconds,
    ticks_per_frame,
)
from cinemill.capabilities.render.pieces.join import JoinPiece, concat_pieces
from cinemill.capabilities.render.pieces.piece_plan import SUBTITLES_NAME, TITLES_NAME, plan_piece
from cinemill.capabilities.render.pieces.piece_request import GAP, ClipSpan, PieceRequest
from cinemill.capabilities.render.pieces.smart_cut import CopiedRange, can_copy, copy_range
from cinemill.core.output import OutputFormat
from cinemill.core.text.subtitle_parser import TOO_COMPLEX
from cinemill.core.text.subtitles import write_ass
from cinemill.errors import CommandFailed, CommandStalled, MediaRejected, OutputInvalid
from cinemill.media.encoding.hardware import HardwareEncoder
from cinemill.media.ffmpeg.child_exit import CRASHES
from cinemill.media.ffmpeg.evidence import identify_stall
from cinemill.media.ffmpeg.fonts import copy_fonts
from cinemill.media.ffmpeg.process import FfmpegCrashed, FfmpegFailed
from cinemill.media.ffmpeg.progress import FfmpegProgress, LogSummary
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.packets import PacketError, open_film, read_packets
from cinemill.media.probe.streams import digest_settings
from cinemill.media.rejections import reject_media

COPY_FOLDER = "copy"
_SIMPLER = "Show fewer of them at once, or use smaller sizes, borders and blurs."


@dataclass(frozen=True, slots=True)
class PieceOutcome:
    """A verified piece in the private folder."""

    path: Path
    facts: dict[str, Any]
    """Those of :class:`JoinPiece`: ``frames``, ``delay``, ``settings``."""
    cpu_seconds: float
    peak_rss_bytes: int
    """Of the commands that rendered it, like the CPU time; failed attempts are not counted."""
    copied_frames: int = 0
    """Frames copied from the clip's video."""


def render_piece(
    session: FfmpegSession,
    videos: Mapping[str, StoredVideo],
    request: PieceRequest,
    filename: str,
    hardware: HardwareEncoder | None = None,
) -> PieceOutcome:
    """Render one piece as ``filename`` in the folder; ``videos`` by sha256.

    Without ``hardware`` it is encoded in software, and an unchanged range is copied if possible.
    Raises MediaRejected (``media_truncated``, ``media_damaged``, ``subtitles_too_complex``),
    ToolMissing, OutputInvalid, CommandFailed, CommandStalled, DiskFull, and whatever
    ``should_stop`` returns.
    """
    if hardware is None and can_copy(videos, request):
        copied = _copy_and_encode(session, videos, request, filename)
        if copied is not None:
            return copied
    return _encode(session, videos, request, filename, hardware)


def _copy_and_encode(
    session: FfmpegSession, videos: Mapping[str, StoredVideo], request: PieceRequest, filename: str
) -> PieceOutcome | None:
    """Return a piece with a copied range and what is encoded before and after it.

    Returns None if nothing can be copied.
    """
    work = session.folder / COPY_FOLDER
    work.mkdir(mode=0o700)
    inside = replace(session, folder=work)
    try:
        video, settings = videos[request.takes[0].sha256], _find_settings(inside, request.output)
        copy = copy_range(inside, video, request) if settings == video.info.video.settings else None
        if copy is None or copy.part.settings != settings:
            return None
        end = copy.first + copy.part.frames
        before = _encode_part(inside, videos, request, 0, copy.first)
        after = _encode_part(inside, videos, request, end, request.frames)
        parts = [*map(_as_part, before), copy.part, *map(_as_part, after)]
        path = session.folder / filename
        concat_pieces(parts, request.output, path, session.should_stop)
        return _sum_reports(path, request, copy, [*before, *after])
    except (CommandFailed, FfmpegCrashed, OutputInvalid):
        return None  # encoding the whole piece may work, or reports what is wrong
    finally:
        shutil.rmtree(work)


_SETTINGS: dict[tuple[str, OutputFormat], str] = {}
"""Encoder settings by FFmpeg build and output format, found once by a trial encode."""


def _find_settings(session: FfmpegSession, output: OutputFormat) -> str:
    """Return the encoder settings that all pieces of this output share, from one black frame."""
    key = (session.binary.build, output)
    if key not in _SETTINGS:
        nothing = PieceRequest((ClipSpan(GAP, Fraction(0)),), 1, "", output)
        quiet = replace(session, on_progress=lambda _share: None)
        _SETTINGS[key] = _encode(quiet, {}, nothing, "trial.mp4").facts["settings"]
    return _SETTINGS[key]


def _sum_reports(
    path: Path, request: PieceRequest, copy: CopiedRange, encoded: Sequence[PieceOutcome]
) -> PieceOutcome:
    facts = inspect_piece(path, request.output)
    if facts["frames"] != request.frames:
        raise OutputInvalid(f"{path.name} has {facts['frames']} frames, not {request.frames}.")
    tallies = [report.tally for report in copy.reports]
    return PieceOutcome(
        path,
        facts,
        sum(one.cpu_seconds for one in tallies) + sum(one.cpu_seconds for one in encoded),
        max(*(one.peak_rss_bytes for one in tallies), *(one.peak_rss_bytes for one in encoded)),
        copy.part.frames,
    )


def _encode_part(
    session: FfmpegSession,
    videos: Mapping[str, StoredVideo],
    request: PieceRequest,
    first: int,
    until: int,
) -> list[PieceOutcome]:
    """Render the piece's frames from ``first`` on as a part of their own, if there are any."""
    if first == until:
        return []
    (take,) = request.takes
    later = replace(take, start=take.start + first / request.output.fps)
    part = replace(request, takes=(later,), frames=until - first)
    share = part.frames / request.frames
    base = first / request.frames
    scaled = replace(session, on_progress=lambda done: session.on_progress(base + share * done))
    return [_encode(scaled, videos, part, f"part-{first}.mp4")]


def _as_part(outcome: PieceOutcome) -> JoinPiece:
    return JoinPiece(outcome.path, **outcome.facts)


def _encode(
    session: FfmpegSession,
    videos: Mapping[str, StoredVideo],
    request: PieceRequest,
    filename: str,
    hardware: HardwareEncoder | None = None,
) -> PieceOutcome:
    _write_subtitle_files(request, session.folder)
    arguments = plan_piece(
        videos,
        request,
        filename,
        can_tonemap=session.binary.can_tonemap,
        max_pixels=session.limits.max_pixels,
        hardware=hardware,
    )
    try:
        report = session.run(
            arguments,
            readable=[videos[sha256].path for sha256 in request.sha256s],
            on_progress=_as_share(session.on_progress, request.frames),
            devices=hardware.devices if hardware else (),
        )
    except (FfmpegFailed, FfmpegCrashed, CommandStalled) as failed:
        if hardware is None and (request.lettering.shown or request.titles.shown):
            _blame_lettering(failed, arguments)
        raise
    facts = inspect_piece(session.folder / filename, request.output)
    _check_frames(facts["frames"], request.frames, report.tally)
    tally = report.tally
    return PieceOutcome(session.folder / filename, facts, tally.cpu_seconds, tally.peak_rss_bytes)


def _blame_lettering(
    failed: FfmpegFailed | FfmpegCrashed | CommandStalled, arguments: Sequence[str]
) -> None:
    """Raise what a command did not manage that draws what a user wrote, if that may be the cause.

    Where memory ran out or FFmpeg crashed, it would again: what was estimated to fit did not. Where
    it stopped moving or ran out of time, the machine may have been busy. That is tried again, and
    is final when it ends in the same way.
    """
    if isinstance(failed, FfmpegCrashed) or (
        failed.code == "out_of_memory" or -failed.exit_code in CRASHES
    ):
        raise MediaRejected(
            "Drawing the subtitles or titles of this part needs more memory than a command has.",
            code=TOO_COMPLEX,
            hint=_SIMPLER,
            log_tail=failed.log_tail,
        ) from failed
    if failed.code in ("command_stalled", "command_timed_out"):
        stalled = CommandStalled(
            "FFmpeg made no progress, or not enough, while it drew the subtitles or titles of this "
            "part.",
            exit_code=failed.exit_code,
            log_tail=failed.log_tail,
            code=TOO_COMPLEX,
        )
        stalled.hint, stalled.evidence = _SIMPLER, identify_stall(arguments)
        raise stalled from failed


def check_coverage(video: StoredVideo, end: Fraction) -> bool:
    """Return whether the video lasts until ``end``, according to its header.

    Where its audio goes on for longer, so does its last frame.
    """
    info = video.info
    declared = max(info.video.duration_seconds_from_header, info.duration_seconds_from_header)
    return not declared or float(end - tail_seconds(info)) <= declared


def inspect_piece(path: Path, output: OutputFormat) -> dict[str, Any]:
    """Open the output, and compare it with the plan. Raises OutputInvalid."""
    try:
        with open_film(path) as container:
            return _read_facts(container, path.name, output)
    except PacketError as broken:
        raise OutputInvalid(f"{path.name} cannot be read back: {broken}") from broken


def _read_facts(container: Any, name: str, output: OutputFormat) -> dict[str, Any]:
    timescale, ticks = ticks_per_frame(output.fps)
    stream = container.streams.video[0]
    size = stream.codec_context.width, stream.codec_context.height
    packets = list(read_packets(container))
    times = [packet.pts for packet in packets]
    is_even = sorted(times) == [number * ticks for number in range(len(times))]
    is_exact = stream.time_base == Fraction(1, timescale)
    if size != (output.width, output.height) or not is_exact or not is_even:
        raise OutputInvalid(f"{name} is not on the grid of {output.fps} frames a second.")
    if packets and not packets[0].is_keyframe:
        raise OutputInvalid(f"{name} does not begin with a key frame.")
    return {
        "frames": len(times),
        "delay": max((n - time // ticks for n, time in enumerate(times)), default=0),
        "settings": digest_settings(stream),
    }


def _check_frames(frames: int, wanted: int, tally: LogSummary) -> None:
    # Decoder messages about frames before the first key frame do no harm here; only frames
    # that it gave up on do.
    if tally.decode_errors or tally.corrupt_packets:
        raise reject_media("media_damaged")
    if frames < wanted:
        raise reject_media("media_truncated")
    if frames != wanted:
        raise OutputInvalid(f"A piece has {frames} frames instead of {wanted}.")


def _write_subtitle_files(request: PieceRequest, folder: Path) -> None:
    """Write the subtitle files under names of ours, and the font next to them.

    Filter strings then contain no text of the user's, and the sandbox hides every other font.
    """
    written = {SUBTITLES_NAME: request.lettering, TITLES_NAME: request.titles}
    shown = {name: lettering for name, lettering in written.items() if lettering.shown}
    if shown:
        copy_fonts(folder)
    for name, lettering in shown.items():
        text = write_ass(lettering, request.output.fps)
        (folder / name).write_text(text, encoding="utf-8")


def _as_share(
    on_progress: Callable[[float], None], frames: int
) -> Callable[[FfmpegProgress], None]:
    def report_progress(progress: FfmpegProgress) -> None:
        on_progress(min(1.0, progress.frame / frames))

    return report_progress
