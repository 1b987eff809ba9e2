"""Passages of pictures: shot by shot, each with the key frame that stands for it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from cinemill.core.findings.finding import ALIKE_SHOTS, Finding
from cinemill.core.retrieval.passages import Passage, PassageTrack


def make_keyframe_passages(keyframes: Sequence[Finding], shots: Sequence[Finding]) -> list[Passage]:
    """Return a passage for each key frame, and for each shot that shows the same as one.

    Both are in order of time. Together the passages of a shot cover it; where it has several key
    frames, it is divided halfway between them. A shot that looks like an earlier one has the other
    one's key frame. Of a video with too many shots, some have no key frame, and no passage.
    """
    times_ms = [one.start_ms for one in keyframes]
    alike = _list_alike(keyframes)
    passages: list[Passage] = []
    for shot in shots:
        inside = [time_ms for time_ms in times_ms if shot.start_ms <= time_ms < shot.end_ms]
        if not inside and shot.start_ms in alike:
            ranges = [(shot.start_ms, shot.end_ms, alike[shot.start_ms])]
        else:
            ranges = [*_divide(shot, inside)]
        for start_ms, end_ms, frame_ms in ranges:
            number = len(passages)
            passages.append(
                Passage(number, PassageTrack.KEYFRAME, start_ms, end_ms, "", frame_ms=frame_ms)
            )
    return passages


def _divide(shot: Finding, times_ms: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Yield the range of each key frame of a shot, and its time."""
    middles = [(one + other + 1) // 2 for one, other in pairwise(times_ms)]
    borders = pairwise([shot.start_ms, *middles, shot.end_ms])
    for (start_ms, end_ms), time_ms in zip(borders, times_ms, strict=False):
        yield start_ms, end_ms, time_ms


def _list_alike(keyframes: Sequence[Finding]) -> dict[int, int]:
    """Return the time of the key frame that shows the same as a shot, by the shot's start."""
    found: dict[int, int] = {}
    for one in keyframes:
        details: Mapping[str, Any] = one.details
        found |= {int(start_ms): one.start_ms for start_ms in details.get(ALIKE_SHOTS, ())}
    return found
