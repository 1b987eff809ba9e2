"""Ranges of sound from probabilities, whatever the blocks, and what of them is transcribed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.inference.sound.classifier import smooth
from cinemill.inference.sound.ranges import (
    FRAME_MS,
    PAD_MS,
    SHORTEST_MS,
    SHORTEST_SKIPPED_MS,
    AudioSpan,
    Probabilities,
    SoundKind,
    SoundRange,
    choose_transcribed,
    find_ranges,
)

SPEECH, SINGING, MUSIC = SoundKind


def paint(length_ms: int, *parts: tuple[SoundKind, int, int, float]) -> Probabilities:
    values = np.zeros((length_ms // FRAME_MS, 3), np.float32)
    for kind, start_ms, end_ms, level in parts:
        values[start_ms // FRAME_MS : end_ms // FRAME_MS, list(SoundKind).index(kind)] = level
    return values


def sound(kind: SoundKind, start_ms: int, end_ms: int) -> SoundRange:
    return SoundRange(kind, start_ms, end_ms, 0.9)


def test_kinds_overlap() -> None:
    values = paint(9000, (MUSIC, 0, 9000, 0.9), (SPEECH, 2000, 4000, 0.5))
    assert find_ranges([values]) == [
        SoundRange(MUSIC, 0, 9000, pytest.approx(0.9)),  # type: ignore[arg-type]
        SoundRange(SPEECH, 2000, 4000, 0.5),
    ]


def test_speech_needs_less_than_music() -> None:
    assert find_ranges([paint(3000, (SPEECH, 0, 3000, 0.42), (MUSIC, 0, 3000, 0.42))]) == [
        SoundRange(SPEECH, 0, 3000, pytest.approx(0.42)),  # type: ignore[arg-type]
    ]


def test_short_gap_is_part_of_a_range_and_a_long_one_is_not() -> None:
    parts = [(SPEECH, 0, 1000, 0.5), (SPEECH, 1490, 2000, 0.75), (SPEECH, 2500, 3000, 0.5)]
    assert find_ranges([paint(3000, *parts)]) == [
        SoundRange(SPEECH, 0, 2000, 0.75),
        SoundRange(SPEECH, 2500, 3000, 0.5),
    ]


def test_short_sound_is_none() -> None:
    assert find_ranges([paint(3000, (MUSIC, 1000, 1000 + SHORTEST_MS - FRAME_MS, 1.0))]) == []
    assert find_ranges([]) == []


levels = st.lists(
    st.tuples(st.integers(1, 80), st.sampled_from([0.0, 0.45, 0.9])), min_size=1, max_size=12
)


@pytest.mark.property
@given(levels, st.lists(st.integers(1, 60), max_size=6))
def test_blocks_leave_no_trace(parts: list[tuple[int, float]], cuts: list[int]) -> None:
    column = np.repeat([level for _, level in parts], [count for count, _ in parts])
    values = np.stack([column, 0.9 - column, np.roll(column, 7)], axis=1).astype(np.float32)
    places = [place for place in np.cumsum(cuts).tolist() if place < len(values)]
    blocks = np.split(values, places)
    assert find_ranges(blocks) == find_ranges([values])


def test_smoothing_keeps_constants_and_moves_no_edge() -> None:
    step = paint(3000, (MUSIC, 1000, 3000, 1.0))
    assert np.allclose(smooth(np.full((50, 3), 0.3, np.float32)), 0.3)
    (found,) = find_ranges([smooth(step)])
    assert abs(found.start_ms - 1000) <= FRAME_MS
    assert len(smooth(np.zeros((0, 3), np.float32))) == 0


def test_music_is_not_transcribed() -> None:
    sounds = [sound(MUSIC, 10_000, 20_000), sound(SPEECH, 0, 9000)]
    assert choose_transcribed(sounds, 30_000) == [AudioSpan(0, 10_000), AudioSpan(20_000, 30_000)]


def test_singing_is_not_transcribed() -> None:
    assert choose_transcribed([sound(SINGING, 0, 30_000)], 30_000) == []


def test_speech_over_music_is_transcribed_with_a_margin() -> None:
    sounds = [sound(MUSIC, 0, 30_000), sound(SPEECH, 10_000, 12_000)]
    assert choose_transcribed(sounds, 30_000) == [AudioSpan(10_000 - PAD_MS, 12_000 + PAD_MS)]


def test_what_is_no_music_is_transcribed() -> None:
    assert choose_transcribed([], 5000) == [AudioSpan(0, 5000)]
    assert choose_transcribed([sound(MUSIC, 0, 1000)], 0) == []


def test_short_music_is_transcribed_with_the_rest() -> None:
    assert choose_transcribed([sound(MUSIC, 2000, 2900)], 5000) == [AudioSpan(0, 5000)]


any_sounds = st.lists(
    st.builds(
        lambda kind, start, length: sound(kind, start, start + length),
        st.sampled_from(SoundKind),
        st.integers(0, 30_000),
        st.integers(1, 12_000),
    ),
    max_size=12,
)


@pytest.mark.property
@given(any_sounds, st.integers(1, 32_000))
def test_all_speech_is_transcribed_and_no_long_music_alone(
    sounds: list[SoundRange], duration_ms: int
) -> None:
    spans = choose_transcribed(sounds, duration_ms)
    assert all(0 <= one.start_ms < one.end_ms <= duration_ms for one in spans)
    assert all(one.end_ms < two.start_ms for one, two in pairwise(spans))

    def is_in(time_ms: int, one: SoundRange, *, pad_ms: int = 0) -> bool:
        return one.start_ms - pad_ms <= time_ms < one.end_ms + pad_ms

    for time_ms in range(0, duration_ms, 97):
        transcribed = any(one.start_ms <= time_ms < one.end_ms for one in spans)
        is_spoken = any(is_in(time_ms, one, pad_ms=PAD_MS) for one in sounds if one.kind is SPEECH)
        has_music = any(is_in(time_ms, one) for one in sounds if one.kind is not SPEECH)
        if is_spoken or not has_music:
            assert transcribed
    for before, after in pairwise([AudioSpan(0, 0), *spans, AudioSpan(duration_ms, duration_ms)]):
        gap_ms = after.start_ms - before.end_ms
        assert gap_ms == 0 or gap_ms >= SHORTEST_SKIPPED_MS
