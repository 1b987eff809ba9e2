"""Speech is passed to the model without silence, and its times are mapped back to the video."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cinemill.inference.speech.audio import (
    BATCH_SECONDS,
    SAMPLE_RATE_HZ,
    Batch,
    Span,
    make_batches,
    memory_map,
)

SECOND = SAMPLE_RATE_HZ


def seconds(start: float, end: float) -> Span:
    return Span(int(start * SECOND), int(end * SECOND))


@st.composite
def spans(draw: st.DrawFn) -> tuple[Span, ...]:
    edges = draw(st.lists(st.integers(0, 10**7), min_size=2, max_size=20, unique=True))
    edges = sorted(edges)[: len(edges) // 2 * 2]
    return tuple(Span(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True))


def test_batch_times_are_mapped_to_the_video() -> None:
    batch = Batch((seconds(10, 12), seconds(60, 65)))
    assert batch.expand_timestamps(0.5, 1.5) == (10_500, 11_500)
    assert batch.expand_timestamps(2.5, 3.0) == (60_500, 61_000)


def test_word_across_a_batch_seam_lies_in_the_span_of_its_middle() -> None:
    batch = Batch((seconds(10, 12), seconds(60, 65)))
    assert batch.expand_timestamps(1.6, 2.2) == (11_600, 12_000)
    assert batch.expand_timestamps(1.8, 2.8) == (60_000, 60_800)


@given(spans(), st.floats(0, 700), st.floats(0, 5))
def test_mapped_times_are_ordered_and_lie_in_speech(
    speech: tuple[Span, ...], start: float, length: float
) -> None:
    start_ms, end_ms = Batch(speech).expand_timestamps(start, start + length)
    assert start_ms <= end_ms
    assert any(
        span.start * 1000 / SECOND - 1 <= start_ms <= end_ms <= span.end * 1000 / SECOND + 1
        for span in speech
    )


@given(spans())
def test_batches_contain_every_span_once_and_are_bounded(speech: tuple[Span, ...]) -> None:
    batches = list(make_batches(speech))
    assert tuple(span for batch in batches for span in batch.spans) == speech
    assert all(batch.seconds <= BATCH_SECONDS or len(batch.spans) == 1 for batch in batches)
    assert all(a.seconds + b.spans[0].seconds > BATCH_SECONDS for a, b in pairwise(batches))


def test_audio_is_memory_mapped_and_collapsed_without_silence(tmp_path: Path) -> None:
    path = tmp_path / "sound.s16"
    np.arange(100, dtype="<i2").tofile(path)
    sound = memory_map(path)
    samples = Batch((Span(10, 12), Span(50, 51))).collapse_silence(sound)
    assert samples.dtype == np.float32
    assert (samples * 32768).tolist() == [10, 11, 50]


def test_empty_audio_file_has_no_samples(tmp_path: Path) -> None:
    path = tmp_path / "sound.s16"
    path.touch()
    assert len(memory_map(path)) == 0
