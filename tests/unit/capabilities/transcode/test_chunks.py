"""Where a video is cut for many workers, and how finely."""

from __future__ import annotations

import heapq
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.transcode.chunks import (
    MAX_CHUNKS,
    MAX_WORK_SECONDS,
    MIN_SECONDS,
    MIN_WORK_SECONDS,
    WORTHWHILE_SECONDS,
    Chunk,
    ChunkDurations,
    KeyframeMark,
    choose_lengths,
    cut_chunks,
    estimate_work,
)
from cinemill.core.encoding.rendition import read_rendition

TICKS = Fraction(1, 1000)
FRAME = 40
DELAY = 2
"""Places between a frame's position in decoding order and in display order."""


def make_frames(groups: list[int], *, is_open: bool = False) -> list[KeyframeMark]:
    """Return frames in groups of these lengths, each starting with a key frame.

    In open groups, two frames are shown before the next group's key frame.
    """
    marks: list[KeyframeMark] = []
    shown = 0
    for number, length in enumerate(groups):
        lead = min(DELAY, length - 1) if is_open and number else 0
        order = [
            shown + lead,
            *range(shown, shown + lead),
            *range(shown + lead + 1, shown + length),
        ]
        for place in order:
            dts = (len(marks) - DELAY) * FRAME
            marks.append(KeyframeMark(place * FRAME, dts, place == shown + lead))
        shown += length
    return marks


films = st.builds(
    lambda groups, is_open: make_frames(groups, is_open=is_open),
    st.lists(st.integers(1, 60), min_size=1, max_size=30),
    st.booleans(),
)


def shown_in(chunk: Chunk, mark: KeyframeMark) -> bool:
    begins = chunk.first_pts is None or chunk.first_pts <= mark.pts
    return begins and (chunk.end_pts is None or mark.pts < chunk.end_pts)


@given(films, st.floats(0.1, 5), st.booleans())
def test_every_frame_is_in_exactly_one_chunk(
    marks: list[KeyframeMark], seconds: float, needs_lead: bool
) -> None:
    chunks = cut_chunks(marks, TICKS, ChunkDurations.even(seconds), needs_lead=needs_lead)
    for mark in marks:
        assert sum(shown_in(chunk, mark) for chunk in chunks) == 1
    assert [chunk.frames for chunk in chunks] == [
        sum(shown_in(chunk, mark) for mark in marks) for chunk in chunks
    ]


@given(films, st.floats(0.1, 5))
def test_chunks_begin_at_key_frames_and_are_long_enough(
    marks: list[KeyframeMark], seconds: float
) -> None:
    keys = {mark.pts for mark in marks if mark.is_key}
    chunks = cut_chunks(marks, TICKS, ChunkDurations.even(seconds), needs_lead=False)
    assert chunks[0].first_pts is None
    assert chunks[-1].end_pts is None
    for before, after in pairwise(chunks):
        assert before.end_pts == after.first_pts
        assert after.first_pts in keys
        begins = min(keys) if before.first_pts is None else before.first_pts
        assert after.first_pts is not None
        assert after.first_pts - min(begins, min(mark.pts for mark in marks)) >= int(seconds * 1000)


@given(films, st.floats(0.1, 3), st.sampled_from(["pts", "dts"]), st.booleans())
def test_chunk_seek_point_is_at_or_before_its_key_frame(
    marks: list[KeyframeMark], seconds: float, clock: str, needs_lead: bool
) -> None:
    keys = [mark for mark in marks if mark.is_key]
    back = 131 if needs_lead else 0
    for chunk in cut_chunks(marks, TICKS, ChunkDurations.even(seconds), needs_lead=False):
        if chunk.enter_pts is None:
            continue
        assert chunk.first_pts is not None
        found = [key for key in keys if getattr(key, clock) <= chunk.enter_pts - back]
        assert not found or found[-1].pts <= chunk.first_pts


def test_chunk_seek_point_in_long_groups_is_the_own_key_frame() -> None:
    marks = make_frames([50, 50, 50])
    for chunk in cut_chunks(marks, TICKS, ChunkDurations.even(2.0), needs_lead=False)[1:]:
        assert chunk.enter_pts is not None
        for back in (0, 131):
            keys = [mark.pts for mark in marks if mark.is_key]
            assert max(key for key in keys if key <= chunk.enter_pts - back) == chunk.first_pts


def test_chunk_with_lead_seeks_to_the_previous_group() -> None:
    marks = make_frames([50, 50, 50])
    straight = cut_chunks(marks, TICKS, ChunkDurations.even(2.0), needs_lead=False)
    early = cut_chunks(marks, TICKS, ChunkDurations.even(2.0), needs_lead=True)
    assert [chunk.first_pts for chunk in early] == [chunk.first_pts for chunk in straight]
    assert early[2].enter_pts == straight[1].enter_pts


@pytest.mark.parametrize(
    "marks",
    [
        make_frames([200]),
        [KeyframeMark(0, 0, True), KeyframeMark(0, 40, True)],
        [KeyframeMark(2000, 0, True), KeyframeMark(0, 40, True)],
        [],
    ],
    ids=["one key frame", "two pictures at one time", "key frames out of order", "nothing"],
)
def test_uncuttable_videos_give_fewer_than_two_chunks(marks: list[KeyframeMark]) -> None:
    assert len(cut_chunks(marks, TICKS, ChunkDurations.even(0.5), needs_lead=False)) < 2


@given(films, st.floats(0.1, 5))
def test_chunks_round_trip_through_json(marks: list[KeyframeMark], seconds: float) -> None:
    for chunk in cut_chunks(marks, TICKS, ChunkDurations.even(seconds), needs_lead=False):
        assert Chunk(**chunk.to_json()) == chunk


def partition_by_weight(lengths: ChunkDurations, seconds: float) -> list[float]:
    """Return the chunks of a video that may be cut anywhere."""
    chunks, left = [], seconds
    while left > 0:
        chunks.append(min(left, lengths.choose(left)))
        left -= chunks[-1]
    return chunks


@given(st.floats(1, 50_000), st.floats(0, 500_000), st.integers(0, 500))
def test_chunks_are_neither_too_small_nor_too_many(
    seconds: float, work_seconds: float, slots: int
) -> None:
    lengths = choose_lengths(seconds, work_seconds, slots)
    if work_seconds < WORTHWHILE_SECONDS:
        assert lengths is None
        return
    assert lengths is not None
    chunks = partition_by_weight(lengths, seconds)
    assert len(chunks) <= MAX_CHUNKS + 1
    each = work_seconds / seconds
    for chunk in chunks[:-1]:
        assert chunk >= MIN_SECONDS * 0.999
        assert chunk * each >= MIN_WORK_SECONDS * 0.999
        assert chunk <= max(lengths.min_seconds, MAX_WORK_SECONDS / each) * 1.001


@given(st.floats(600, 20_000), st.floats(1_000, 50_000), st.integers(1, 200))
def test_chunks_get_shorter_towards_the_end(seconds: float, work: float, slots: int) -> None:
    lengths = choose_lengths(seconds, work, slots)
    assert lengths is not None
    chunks = partition_by_weight(lengths, seconds)
    assert chunks == sorted(chunks, reverse=True)


@given(st.integers(1, 100), st.floats(20, 200))
def test_chunk_workers_finish_at_about_the_same_time(slots: int, work_each: float) -> None:
    """A free process takes the next chunk.

    None waits for longer than the shortest chunk takes, or than the first chunks differ.
    """
    work = max(WORTHWHILE_SECONDS, slots * work_each)
    lengths = choose_lengths(7200, work, slots)
    assert lengths is not None
    free = [0.0] * slots
    for chunk in partition_by_weight(lengths, 7200):
        heapq.heappush(free, heapq.heappop(free) + chunk)
    assert max(free) - 7200 / slots <= 2 * lengths.min_seconds


def test_chunks_are_shorter_with_more_workers() -> None:
    first = []
    for slots in (2, 20, 40, 100):
        lengths = choose_lengths(7200, 14_400, slots)
        assert lengths is not None
        first.append(lengths.choose(7200))
    assert first == sorted(first, reverse=True)
    assert first[0] != first[-1]


def test_video_longer_than_its_header_states_gets_no_more_chunks() -> None:
    marks = make_frames([1] * 5000)
    chunks = cut_chunks(marks, TICKS, ChunkDurations.even(0.05), needs_lead=False)
    assert 500 < len(chunks) <= MAX_CHUNKS + 1


def test_chunk_cuts_follow_the_chosen_lengths() -> None:
    marks = make_frames([10] * 100)
    chunks = cut_chunks(marks, TICKS, ChunkDurations(1.0, 20.0, 2), needs_lead=False)
    frames = [chunk.frames for chunk in chunks]
    assert frames[0] == 250
    assert frames[1] == 190
    assert frames == sorted(frames, reverse=True)
    assert frames[-1] <= 2 * 25 + 10


def test_work_estimate_is_larger_for_slower_codecs() -> None:
    work = [
        estimate_work(600, 1920 * 1080, 25, read_rendition({"codec": codec}))
        for codec in ("av1", "h264", "h265", "vp9")
    ]
    assert work == sorted(work)
