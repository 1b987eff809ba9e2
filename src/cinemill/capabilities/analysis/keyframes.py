"""Key frames as findings: sharp frames that differ from each other, with exact timestamps.

Candidates are found chunk by chunk, and chosen once all are known: which of two alike frames comes
first cannot be said within a chunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cinemill.capabilities.analysis.sampled_frames import find_frame_end
from cinemill.core.documents import JsonObject, JsonValue
from cinemill.core.findings.finding import ALIKE_SHOTS, Finding, FindingModel
from cinemill.core.frames import Shot
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox
from cinemill.media.frames.exact import read_frames
from cinemill.media.frames.index import FrameIndex
from cinemill.media.frames.keyframes import (
    MOST_KEYFRAMES,
    FrameLook,
    choose_candidates,
    choose_keyframes,
    find_alike,
    look_at_frames,
)
from cinemill.media.frames.process import ShouldStop, never_stop

KEYFRAME_MODEL = FindingModel("local", "sharp-and-distinct", version=2)
SHOT_MODEL = FindingModel("local", "frame-steps", version=1)
LOOK_WIDTH_PX = 320
LOOK_PIXELS = 320 * 320
"""Sharpness is compared at this size: the blur of motion is many pixels wide."""
LABEL = "keyframe"


def list_shots(shots: Sequence[Shot]) -> list[Finding]:
    """Return the shots as findings, in order."""
    return [Finding(shot.start_ms, shot.end_ms, "shot") for shot in shots if _lasts(shot)]


def _lasts(shot: Shot) -> bool:
    return shot.end_ms > shot.start_ms


def find_candidates(
    path: Path,
    index: FrameIndex,
    shots: Sequence[Shot],
    *,
    start_ms: int = 0,
    end_ms: int | None = None,
    limits: Limits,
    sandbox: Sandbox | None = None,
    should_stop: ShouldStop = never_stop,
) -> list[Finding]:
    """Return the frames among which key frames are chosen, within a range of the video's time.

    The whole video's shots decide on the candidates, so that ranges side by side give what the
    whole gives. Each is read at a small size and reduced to a few numbers.

    Raises as :func:`~cinemill.media.frames.exact.read_frames` does.
    """
    pts = [
        one
        for one in choose_candidates(index, shots)
        if start_ms <= index.time_ms(one) and (end_ms is None or index.time_ms(one) < end_ms)
    ]
    frames = read_frames(
        path,
        index,
        pts,
        limits=limits,
        max_width=LOOK_WIDTH_PX,
        max_pixels=LOOK_PIXELS,
        sandbox=sandbox,
        should_stop=should_stop,
    )
    return [write_look(look, find_frame_end(index, look.pts)) for look in look_at_frames(frames)]


def choose_keyframe_findings(
    candidates: Iterable[Finding], shots: Sequence[Shot], most: int = MOST_KEYFRAMES
) -> list[Finding]:
    """Return the key frames among all candidates of a video, in order; at most ``most``.

    Raises ValueError for a finding that :func:`find_candidates` did not make.
    """
    known = {one.start_ms: one for one in candidates}
    looks = [read_look(one) for one in known.values()]
    chosen = choose_keyframes(looks, shots, most)
    alike: dict[int, list[JsonValue]] = {}
    for start_ms, look in find_alike(looks, shots, chosen).items():
        alike.setdefault(look.time_ms, []).append(start_ms)
    return [_add_alike(known[look.time_ms], alike.get(look.time_ms, [])) for look in chosen]


def _add_alike(keyframe: Finding, starts_ms: list[JsonValue]) -> Finding:
    if not starts_ms:
        return keyframe
    return replace(keyframe, details={**keyframe.details, ALIKE_SHOTS: starts_ms})


def find_keyframes(
    path: Path,
    index: FrameIndex,
    shots: Sequence[Shot],
    *,
    limits: Limits,
    sandbox: Sandbox | None = None,
    should_stop: ShouldStop = never_stop,
) -> list[Finding]:
    """Return the key frames of a whole video, in order; see :func:`find_candidates`."""
    candidates = find_candidates(
        path, index, shots, limits=limits, sandbox=sandbox, should_stop=should_stop
    )
    return choose_keyframe_findings(candidates, shots)


def write_look(look: FrameLook, end_ms: int) -> Finding:
    """Return a candidate as a finding."""
    details: JsonObject = {
        "pts": look.pts,
        "sharpness": round(look.sharpness, 3),
        "hash": f"{look.hash:016x}",
        "color": [round(level, 2) for level in look.color],
    }
    return Finding(look.time_ms, end_ms, LABEL, details=details)


def read_look(finding: Finding) -> FrameLook:
    """Return what :func:`write_look` wrote. Raises ValueError for anything else."""
    details: Mapping[str, Any] = finding.details
    try:
        red, green, blue = (float(level) for level in details["color"])
        return FrameLook(
            int(details["pts"]),
            finding.start_ms,
            float(details["sharpness"]),
            int(str(details["hash"]), 16),
            (red, green, blue),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the finding at {finding.start_ms} ms is no key frame") from error
