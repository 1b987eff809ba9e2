"""Measuring: FFmpeg's ``ebur128`` over a video's sound, and the result kept with the video."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path

from cinemill.capability.handlers import (
    Artifact,
    ArtifactKind,
    AssetRecord,
    FfmpegSession,
    MediaInfo,
    MediaRejected,
    OutputInvalid,
    StepContext,
    StepOutcome,
    StepResources,
    check_log,
    choose_audio,
    content_key,
    ends_cleanly,
    ffmpeg_session,
    find_asset,
    find_step_artifacts,
    input_arguments,
    publish_artifact,
    require_space,
    save_artifacts,
    share_of_time,
)
from cinemill_loudness import NAME

VERSION = 1
"""Of what is measured and how; another one measures every video again."""
BYTES_PER_SECOND = 3000
"""Of what FFmpeg writes down: ten times a second, nine lines with the figures so far."""
_FRAMES_FILENAME = "loudness.txt"
_FIELDS = {
    "lavfi.r128.I": "integrated_lufs",
    "lavfi.r128.LRA": "range_lu",
    "lavfi.r128.true_peak": "true_peak",
}


def measure_loudness(resources: StepResources, context: StepContext) -> StepOutcome:
    """Measure the job's video, unless the same bytes were measured before.

    Result: ``asset_id``, ``integrated_lufs``, ``range_lu``, ``true_peak_dbtp`` (null for silence).
    Raises MediaRejected (``media_no_sound``, ``media_truncated``, ``media_damaged``),
    OutputInvalid, CommandFailed, DiskFull.
    """
    asset = find_asset(resources, context)
    key = content_key(asset.sha256, NAME, VERSION)
    finding = find_step_artifacts(resources.database, key).get(ArtifactKind.FINDING)
    if finding is None or not resources.files.exists(finding.sha256):
        finding = _make_finding(resources, context, asset)
    return StepOutcome(
        {"asset_id": asset.id, **finding.facts},
        # In the transaction that ends the step: the finding is there with its success.
        lambda connection: save_artifacts(connection, asset.id, key, [finding], variant=NAME),
    )


def parse_frames(lines: Iterable[str]) -> dict[str, float | None]:
    """Return the last value of each figure that ``ametadata`` wrote; a peak of silence is None.

    Raises OutputInvalid where one is missing.
    """
    last: dict[str, str] = {}
    for line in lines:
        name, _, value = line.strip().partition("=")
        if name in _FIELDS:
            last[_FIELDS[name]] = value
    if missing := sorted(set(_FIELDS.values()) - last.keys()):
        raise OutputInvalid(f"FFmpeg measured no {', '.join(missing)}.")
    amplitude = float(last.pop("true_peak"))
    peak = round(20 * math.log10(amplitude), 2) if amplitude > 0 else None
    return {
        **{name: round(float(value), 2) for name, value in last.items()},
        "true_peak_dbtp": peak,
    }


def _make_finding(resources: StepResources, context: StepContext, asset: AssetRecord) -> Artifact:
    info = MediaInfo.from_json(dict(context.run.inputs["probe"]["media"]))
    require_space(resources, round(info.duration_seconds_from_header * BYTES_PER_SECOND))
    session = ffmpeg_session(resources, context, "Measuring loudness")
    facts = _measure(session, resources.files.path(asset.sha256), info)
    path = context.folder / "loudness.json"
    path.write_text(json.dumps(facts), encoding="utf-8")
    return publish_artifact(
        resources.files,
        path,
        ArtifactKind.FINDING,
        filename="loudness.json",
        media_type="application/json",
        facts=facts,
    )


def _measure(session: FfmpegSession, source: Path, info: MediaInfo) -> dict[str, float | None]:
    sound = choose_audio(info)
    if sound is None:
        raise MediaRejected("The video has no sound.", code="media_no_sound")
    report = session.run(
        [
            *input_arguments(str(source), info, session.limits.max_pixels),
            *("-map", f"0:{sound.index}", "-vn"),
            *("-af", f"ebur128=metadata=1:peak=true,ametadata=print:file={_FRAMES_FILENAME}"),
            *("-f", "null", "-"),
        ],
        readable=[source],
        on_progress=share_of_time(session.on_progress, info.duration_seconds_from_header),
    )
    check_log(report.tally, has_clean_end=ends_cleanly(source, info.format))
    try:
        with (session.folder / _FRAMES_FILENAME).open(encoding="ascii") as frames:
            return parse_frames(frames)
    except FileNotFoundError as error:
        raise OutputInvalid("FFmpeg measured nothing.") from error
