"""Music is silenced before a speech model listens; everything else stays as it is."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.findings.finding import Finding
from cinemill.inference.sound.ranges import AudioSpan
from cinemill.steps.ingestion.music import choose_transcribed_spans, silence_others

SAMPLES_PER_MS = 16


@given(st.integers(0, 3000), st.lists(st.integers(0, 4000), max_size=8, unique=True).map(sorted))
def test_only_what_lies_outside_of_the_spans_is_silenced(length_ms: int, edges: list[int]) -> None:
    spans = [AudioSpan(start, end) for start, end in [*pairwise(edges)][::2]]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound.s16"
        np.ones(length_ms * SAMPLES_PER_MS, np.int16).tofile(path)
        silence_others(path, spans)
        heard = np.fromfile(path, np.int16)
    assert len(heard) == length_ms * SAMPLES_PER_MS
    expected = np.zeros(length_ms * SAMPLES_PER_MS, np.int16)
    for span in spans:
        expected[span.start_ms * SAMPLES_PER_MS : span.end_ms * SAMPLES_PER_MS] = 1
    assert (heard == expected).all()


def test_speech_over_music_is_transcribed_and_music_alone_is_not() -> None:
    sounds = [
        Finding(0, 30_000, "music", 0.9),
        Finding(10_000, 12_000, "speech", 0.6),
        Finding(0, 30_000, "applause", 0.9),
    ]
    (span,) = choose_transcribed_spans(sounds, 30_000)
    assert 9_000 <= span.start_ms <= 10_000
    assert 12_000 <= span.end_ms <= 13_000
