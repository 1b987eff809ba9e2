"""Music is not transcribed: models hear words in it that nobody says."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from cinemill.core.findings.finding import Finding
from cinemill.inference.sound.ranges import AudioSpan, SoundKind, SoundRange, choose_transcribed
from cinemill.steps.source.audio_samples import BYTES_PER_SECOND

BYTES_PER_MS = BYTES_PER_SECOND // 1000
_ZEROS = bytes(1 << 20)


def choose_transcribed_spans(sounds: Iterable[Finding], duration_ms: int) -> list[AudioSpan]:
    """Return the ranges of a sound to transcribe, in order: all but music and singing alone.

    Findings with another label are ignored.
    """
    kinds = {kind.value: kind for kind in SoundKind}
    ranges = [
        SoundRange(kinds[one.label], one.start_ms, one.end_ms, one.confidence or 0.0)
        for one in sounds
        if one.label in kinds
    ]
    return choose_transcribed(ranges, duration_ms)


def silence_others(samples: Path, spans: Sequence[AudioSpan]) -> None:
    """Overwrite everything outside of these ranges with silence, in a file of raw samples."""
    size = samples.stat().st_size
    edges = [0, *(edge for one in spans for edge in (one.start_ms, one.end_ms))]
    with samples.open("r+b") as file:
        for start_ms, end_ms in zip(edges[::2], [*edges[1::2], None], strict=True):
            end = size if end_ms is None else min(size, end_ms * BYTES_PER_MS)
            _write_zeros(file.fileno(), min(size, start_ms * BYTES_PER_MS), end)


def _write_zeros(descriptor: int, start: int, end: int) -> None:
    while start < end:
        start += os.pwrite(descriptor, _ZEROS[: end - start], start)
