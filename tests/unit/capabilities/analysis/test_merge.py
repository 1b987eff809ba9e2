"""Findings of chunks, merged: what the whole gives, whatever the chunks and their windows."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.analysis.merge import (
    Chunk,
    ChunkFindings,
    merge_moments,
    merge_ranges,
    merge_shots,
    split_time,
)
from cinemill.capabilities.analysis.text_in_frames import group_text
from cinemill.capabilities.analysis.tracks import number_tracks, sort_key
from cinemill.core.findings.finding import Finding, PictureBox
from cinemill.core.frames import Shot

END_MS = 20_000
FRAME_MS = 40


def find_moments(whole: list[Finding], chunk: Chunk) -> ChunkFindings:
    """Analyse a window: each frame in it gives what it gives in the whole."""
    seen = (one for one in whole if chunk.window_start_ms <= one.start_ms < chunk.window_end_ms)
    return ChunkFindings(chunk, tuple(seen))


def find_ranges(whole: list[Finding], chunk: Chunk) -> ChunkFindings:
    """Analyse a window: a range is found as far as the window reaches."""
    clipped = (
        replace(
            one,
            start_ms=max(one.start_ms, chunk.window_start_ms),
            end_ms=min(one.end_ms, chunk.window_end_ms),
        )
        for one in whole
    )
    return ChunkFindings(chunk, tuple(one for one in clipped if one.start_ms < one.end_ms))


def find_shots(cuts: list[int], chunk: Chunk, end_ms: int) -> ChunkFindings:
    """Analyse a window: its shots cover it."""
    start_ms, stop_ms = chunk.window_start_ms, min(chunk.window_end_ms, end_ms)
    edges = [start_ms, *(cut for cut in cuts if start_ms < cut < stop_ms), stop_ms]
    shots = (Finding(start, end, "shot") for start, end in pairwise(edges) if start < end)
    return ChunkFindings(chunk, tuple(shots))


chunkings = st.builds(
    lambda chunk_ms, overlap_ms: split_time(END_MS, chunk_ms=chunk_ms, overlap_ms=overlap_ms),
    st.integers(500, 25_000),
    st.integers(1, 3000),
)
shares = st.integers(0, 80).map(lambda percent: percent / 100)
boxes = st.builds(lambda left, top: PictureBox(left, top, 0.2, 0.2), shares, shares)
moments = st.lists(
    st.builds(
        lambda frame, label, confidence, box: Finding(
            frame * FRAME_MS, frame * FRAME_MS + FRAME_MS, label, confidence, box
        ),
        st.integers(0, END_MS // FRAME_MS - 1),
        st.sampled_from(["person", "dog", "Harbour 12", "Harb0ur 12"]),
        st.floats(0.55, 1),
        boxes,
    ),
    max_size=40,
    unique_by=sort_key,
)


@st.composite
def draw_ranges(draw: st.DrawFn) -> list[Finding]:
    """Ranges of three labels; those of one label may touch, and do not overlap."""
    found = []
    for label in ("speech", "singing", "music"):
        edges = sorted(draw(st.lists(st.integers(0, END_MS), max_size=14, unique=True)))
        kept = draw(st.lists(st.booleans(), min_size=len(edges), max_size=len(edges)))
        pairs = zip(pairwise(edges), kept, strict=False)
        found += [Finding(start, end, label, 0.8) for (start, end), is_kept in pairs if is_kept]
    return sorted(found, key=sort_key)


@pytest.mark.property
@given(moments, chunkings)
def test_moments_of_chunks_are_those_of_the_whole(
    whole: list[Finding], chunks: list[Chunk]
) -> None:
    parts = [find_moments(whole, chunk) for chunk in chunks]
    assert merge_moments(reversed(parts)) == sorted(whole, key=sort_key)


@pytest.mark.property
@given(draw_ranges(), chunkings)
def test_ranges_of_chunks_are_those_of_the_whole(whole: list[Finding], chunks: list[Chunk]) -> None:
    parts = [find_ranges(whole, chunk) for chunk in chunks]
    assert merge_ranges(reversed(parts)) == whole


@pytest.mark.property
@given(st.sets(st.integers(1, END_MS - 1), max_size=20), chunkings)
def test_shots_of_chunks_are_those_of_the_whole(cuts: set[int], chunks: list[Chunk]) -> None:
    parts = [find_shots(sorted(cuts), chunk, END_MS) for chunk in chunks]
    edges = [0, *sorted(cuts), END_MS]
    assert merge_shots(reversed(parts)) == [Shot(start, end) for start, end in pairwise(edges)]


@pytest.mark.property
@given(moments, chunkings)
def test_tracks_and_texts_of_merged_chunks_are_those_of_the_whole(
    whole: list[Finding], chunks: list[Chunk]
) -> None:
    merged = merge_moments(find_moments(whole, chunk) for chunk in chunks)
    shots = [Shot(0, 7000), Shot(7000, END_MS)]
    times = range(0, END_MS, FRAME_MS)
    assert number_tracks(merged, shots, aspect=1.5) == number_tracks(whole, shots, aspect=1.5)
    assert group_text(merged, times) == group_text(whole, times)


def test_joined_range_has_the_highest_confidence() -> None:
    first, second = split_time(20_000, chunk_ms=10_000, overlap_ms=500)
    parts = [
        ChunkFindings(first, (Finding(8000, 10_500, "music", 0.7),)),
        ChunkFindings(second, (Finding(9500, 12_000, "music", 0.9),)),
    ]
    assert merge_ranges(parts) == [Finding(8000, 12_000, "music", 0.9)]


def test_cut_on_a_seam_counts_once() -> None:
    chunks = split_time(20_000, chunk_ms=10_000, overlap_ms=400)
    parts = [find_shots([10_000], chunk, 20_000) for chunk in chunks]
    assert merge_shots(parts) == [Shot(0, 10_000), Shot(10_000, 20_000)]


def test_cores_cover_the_time_and_windows_both_seams() -> None:
    chunks = split_time(25_000, chunk_ms=10_000, overlap_ms=2000)
    assert [(one.start_ms, one.end_ms) for one in chunks] == [
        (0, 10_000),
        (10_000, 20_000),
        (20_000, 25_001),
    ]
    assert [(one.window_start_ms, one.window_end_ms) for one in chunks] == [
        (0, 12_000),
        (8000, 22_000),
        (18_000, 25_001),
    ]
    assert split_time(0, chunk_ms=10, overlap_ms=1) == [Chunk(0, 1, 0, 1)]


def test_frame_at_the_very_end_is_in_the_last_chunk() -> None:
    chunks = split_time(20_000, chunk_ms=10_000, overlap_ms=500)
    last = Finding(20_000, 20_001, "person")
    assert merge_moments(find_moments([last], chunk) for chunk in chunks) == [last]


@pytest.mark.parametrize("merge", [merge_moments, merge_ranges, merge_shots])
def test_missing_chunk_is_an_error(merge: object) -> None:
    assert callable(merge)
    first, _, last = split_time(30_000, chunk_ms=10_000, overlap_ms=500)
    with pytest.raises(ValueError, match="10000 ms"):
        merge([ChunkFindings(first, ()), ChunkFindings(last, ())])


def test_windows_that_share_nothing_cannot_be_merged() -> None:
    parts = [ChunkFindings(Chunk(0, 10, 0, 10), ()), ChunkFindings(Chunk(10, 20, 10, 20), ())]
    with pytest.raises(ValueError, match="seam at 10 ms"):
        merge_ranges(parts)


def test_nothing_is_merged_into_nothing() -> None:
    assert merge_moments([]) == merge_ranges([]) == []
    assert merge_shots([ChunkFindings(Chunk(0, 10, 0, 10), ())]) == []
