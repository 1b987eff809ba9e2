"""Ranges of speech, singing and music from probabilities, and which of them to transcribe.

Pure but for NumPy. Probabilities come a hundred a second, in blocks, so that memory stays bounded
however long the sound is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

FRAME_MS = 10


class SoundKind(StrEnum):
    """In the order of the model's columns."""

    SPEECH = "speech"
    SINGING = "singing"
    MUSIC = "music"


THRESHOLDS = {SoundKind.SPEECH: 0.4, SoundKind.SINGING: 0.5, SoundKind.MUSIC: 0.5}
"""Speech over music has a probability of 0.42."""
LONGEST_GAP_MS = 500
"""A shorter gap between two ranges of one kind is part of them."""
SHORTEST_MS = 300
PAD_MS = 400
"""Before and after speech over music, which is transcribed."""
SHORTEST_SKIPPED_MS = 1000
"""Music shorter than this is transcribed with the rest: a transcript needs its context."""

Probabilities = NDArray[np.float32]
"""Frames × kinds, 0 to 1."""


@dataclass(frozen=True, slots=True)
class SoundRange:
    """One kind of sound in a range of time, half-open."""

    kind: SoundKind
    start_ms: int
    end_ms: int
    confidence: float
    """The highest probability in it."""


@dataclass(frozen=True, slots=True)
class AudioSpan:
    """A range of a sound to transcribe, half-open."""

    start_ms: int
    end_ms: int


@dataclass(slots=True)
class _Run:
    """Frames that have a kind of sound, half-open."""

    start: int
    end: int
    peak: float


def find_ranges(blocks: Iterable[Probabilities]) -> list[SoundRange]:
    """Return the ranges of each kind, by start; those of different kinds may overlap.

    ``blocks`` follow each other without gaps, from the beginning of the sound.
    """
    runs: dict[SoundKind, list[_Run]] = {kind: [] for kind in SoundKind}
    offset = 0
    for block in blocks:
        for column, kind in enumerate(SoundKind):
            for run in _find_runs(block[:, column], THRESHOLDS[kind], offset):
                _add_run(runs[kind], run)
        offset += len(block)
    found = [_make_range(kind, run) for kind, listed in runs.items() for run in listed]
    long_enough = [one for one in found if one.end_ms - one.start_ms >= SHORTEST_MS]
    return sorted(long_enough, key=lambda one: (one.start_ms, one.kind))


def _find_runs(values: NDArray[np.float32], threshold: float, offset: int) -> list[_Run]:
    """Return where the values reach the threshold; frames are counted from ``-offset``."""
    is_on = np.concatenate([[False], values >= threshold, [False]])
    edges = np.flatnonzero(is_on[1:] != is_on[:-1]).tolist()
    return [
        _Run(offset + start, offset + end, float(values[start:end].max()))
        for start, end in zip(edges[::2], edges[1::2], strict=True)
    ]


def _add_run(runs: list[_Run], run: _Run) -> None:
    """Add a run, or lengthen the last one if the gap between them is short.

    A last run that turned out too short, and is too far away to be joined, is dropped.
    """
    if runs and (run.start - runs[-1].end) * FRAME_MS < LONGEST_GAP_MS:
        runs[-1].end, runs[-1].peak = run.end, max(runs[-1].peak, run.peak)
        return
    if runs and (runs[-1].end - runs[-1].start) * FRAME_MS < SHORTEST_MS:
        runs.pop()
    runs.append(run)


def _make_range(kind: SoundKind, run: _Run) -> SoundRange:
    return SoundRange(kind, run.start * FRAME_MS, run.end * FRAME_MS, min(1.0, run.peak))


def choose_transcribed(sounds: Sequence[SoundRange], duration_ms: int) -> list[AudioSpan]:
    """Return the ranges of a sound to transcribe, in order: all but music and singing alone.

    Where somebody speaks over music it is transcribed, with a margin. What the model took for
    nothing at all is transcribed too: whether somebody speaks there is for the speech model to say.
    """
    if duration_ms <= 0:
        return []
    speech = [
        AudioSpan(max(0, one.start_ms - PAD_MS), min(duration_ms, one.end_ms + PAD_MS))
        for one in sounds
        if one.kind is SoundKind.SPEECH
    ]
    other = [
        AudioSpan(one.start_ms, min(duration_ms, one.end_ms))
        for one in sounds
        if one.kind is not SoundKind.SPEECH
    ]
    skipped = [
        span
        for span in _subtract(_join(other), _join(speech))
        if span.end_ms - span.start_ms >= SHORTEST_SKIPPED_MS
    ]
    return _subtract([AudioSpan(0, duration_ms)], skipped)


def _join(spans: Iterable[AudioSpan]) -> list[AudioSpan]:
    """Return the union, in order; spans that touch are one."""
    joined: list[AudioSpan] = []
    for span in sorted(spans, key=lambda one: one.start_ms):
        if span.end_ms <= span.start_ms:
            continue
        if joined and span.start_ms <= joined[-1].end_ms:
            last = joined.pop()
            span = AudioSpan(last.start_ms, max(last.end_ms, span.end_ms))
        joined.append(span)
    return joined


def _subtract(spans: Sequence[AudioSpan], removed: Sequence[AudioSpan]) -> list[AudioSpan]:
    """Return what is left of the spans; both are in order and do not overlap."""
    left: list[AudioSpan] = []
    first = 0
    for span in spans:
        start_ms = span.start_ms
        while first < len(removed) and removed[first].end_ms <= start_ms:
            first += 1
        for one in removed[first:]:
            if one.start_ms >= span.end_ms:
                break
            if one.start_ms > start_ms:
                left.append(AudioSpan(start_ms, one.start_ms))
            start_ms = max(start_ms, one.end_ms)
        if start_ms < span.end_ms:
            left.append(AudioSpan(start_ms, span.end_ms))
    return left
