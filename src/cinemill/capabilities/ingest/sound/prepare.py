"""Creating every file of ingest from sound alone by one decode; on an error, an empty folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cinemill.capabilities.ingest.prepare import PreparedFile, PrepareOutcome, blame, empty
from cinemill.capabilities.ingest.request import PrepareRequest
from cinemill.capabilities.ingest.sound.plan import AUDIO, PROXY, plan_sound
from cinemill.core.media import ArtifactKind, MediaInfo
from cinemill.errors import OutputInvalid
from cinemill.media.encoding.steady_audio import with_steady_audio
from cinemill.media.ffmpeg.process import FfmpegFailed, FfmpegReport
from cinemill.media.ffmpeg.progress import share_of_time
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.rejections import reject_media
from cinemill.media.sound.waveform import HEIGHT_PX, WIDTH_PX, draw_waveform
from cinemill.media.verify.integrity import ends_cleanly, find_log_flaw, find_sound_flaw
from cinemill.media.verify.joints import without_joints
from cinemill.media.verify.outputs import inspect_output

OUTPUT_TOLERANCE_SECONDS = 0.25
WAVEFORM_FILENAME = "waveform.png"
LEFT_OUT = "the file is sound alone: there is no poster, and no pictures to look at"
"""Said of every sound that is processed."""


def prepare_sound(
    session: FfmpegSession, source: Path, info: MediaInfo, request: PrepareRequest
) -> PrepareOutcome:
    """Create preview copy, waveform and audio for models in the folder, which must be empty.

    On any error the folder is empty again. With ``best_effort``, damage is no error as long as
    something can be heard.

    Raises MediaRejected (``media_truncated``, ``media_damaged``), OutputInvalid, CommandFailed,
    CommandStalled, DiskFull, and whatever ``should_stop`` returns.
    """
    return with_steady_audio(
        session, source, info, lambda steady: _prepare(session, source, steady, request)
    )


def _prepare(
    session: FfmpegSession, source: Path, info: MediaInfo, request: PrepareRequest
) -> PrepareOutcome:
    plan = plan_sound(str(source), info, max_pixels=session.limits.max_pixels)
    try:
        report = session.run(
            plan.arguments,
            readable=[source],
            on_progress=share_of_time(session.on_progress, info.duration_seconds_from_header),
        )
        outcome = _check(report, info, source, session.folder, request)
        return replace(outcome, changes=plan.changes)
    except FfmpegFailed as failed:
        empty(session.folder, info)
        if failed.tally.audio_changed:
            raise
        raise blame(failed) from failed
    except BaseException:
        empty(session.folder, info)
        raise


def _check(
    report: FfmpegReport, info: MediaInfo, source: Path, folder: Path, request: PrepareRequest
) -> PrepareOutcome:
    tally = without_joints(report.tally, source, info.format)
    has_clean_end = ends_cleanly(source, info.format)
    try:
        facts = {one.kind: inspect_output(folder / one.filename, one) for one in (PROXY, AUDIO)}
    except OutputInvalid as wrong:
        flaw = find_log_flaw(tally, has_clean_end=has_clean_end)
        raise (reject_media(flaw) if flaw else wrong) from wrong
    seconds = facts[ArtifactKind.AUDIO]["duration_seconds"]
    # Of several tracks, the one that is stated to end last may be another than this one.
    is_only = len(info.audio) == 1
    flaw = (
        find_sound_flaw(info, tally, seconds, has_clean_end=has_clean_end)
        if is_only
        else find_log_flaw(tally, has_clean_end=has_clean_end)
    )
    if not seconds:
        raise reject_media(flaw or "media_damaged")
    if flaw and not request.best_effort:
        raise reject_media(flaw)
    _compare(facts[ArtifactKind.PROXY]["duration_seconds"], seconds)
    waveform = folder / WAVEFORM_FILENAME
    samples = facts[ArtifactKind.AUDIO]["samples"]
    draw_waveform(folder / AUDIO.filename, samples, waveform)
    shown = {"width": WIDTH_PX, "height": HEIGHT_PX, "duration_seconds": seconds}
    files = (
        *(
            PreparedFile(one.kind, folder / one.filename, one.media_type, facts[one.kind])
            for one in (PROXY, AUDIO)
        ),
        PreparedFile(ArtifactKind.WAVEFORM, waveform, "image/png", shown),
    )
    return PrepareOutcome(
        files=files,
        decoded_frames=0,
        decoded_seconds=seconds,
        warnings=info.warnings,
        changes=(),
        wall_seconds=report.wall_seconds,
        cpu_seconds=tally.cpu_seconds,
        peak_rss_bytes=tally.peak_rss_bytes,
        flaw=flaw,
    )


def _compare(proxy_seconds: float, seconds: float) -> None:
    """Raise OutputInvalid unless the preview copy lasts as long as what was decoded."""
    if abs(proxy_seconds - seconds) > OUTPUT_TOLERANCE_SECONDS:
        raise OutputInvalid(
            f"{PROXY.filename} lasts {proxy_seconds:.3f} s, the sound {seconds:.3f} s."
        )


def list_left_out(request: PrepareRequest) -> tuple[str, ...]:
    """Return what sound alone does not get of what a video would."""
    is_missed = request.thumbnail_seconds is not None
    return (LEFT_OUT, "no thumbnail was created") if is_missed else (LEFT_OUT,)
