"""Splits with nobody on two sides, and checks that find those who are."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.detection.datasets.leakage import LeakKind, find_leaks, join_look_alikes
from cinemill.capabilities.detection.datasets.picture_hash import (
    MOST_DIFFERENT_BITS,
    hash_picture,
    says_something,
)
from cinemill.capabilities.detection.datasets.records import DatasetInvalid, VideoKey, VideoRecord
from cinemill.capabilities.detection.datasets.shared_frames import SharedFrames, find_shared_frames
from cinemill.capabilities.detection.datasets.splits import split_records, use_published_split
from cinemill.capabilities.detection.training.degradation import Degradation, degrade

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

People = list[tuple[int, int | None]]


def make_record(
    number: int, person: int, face: int | None = None, source: str = "", split: str = ""
) -> VideoRecord:
    return VideoRecord(
        key=VideoKey("set", "real" if face is None else "swap", str(number)),
        path=Path(f"{number}.mp4"),
        is_fake=face is not None,
        identity=f"p{person}",
        other_identities=frozenset() if face is None else frozenset({f"p{face}"}),
        source=source or f"s{person}",
        split=split,
    )


def make_records(people: People) -> list[VideoRecord]:
    return [make_record(number, *one) for number, one in enumerate(people)]


people_lists = st.lists(
    st.tuples(st.integers(0, 30), st.none() | st.integers(0, 30)), min_size=3, max_size=60
)


@given(people_lists, st.integers(0, 5))
def test_split_never_shares_a_person_or_footage(people: People, seed: int) -> None:
    records = make_records(people)
    try:
        split = split_records(records, seed=seed)
    except DatasetInvalid:
        return
    parts = [split.train, split.val, split.test]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert find_leaks(parts[one], parts[other]) == []
    placed = [record for part in parts for record in part]
    assert len({one.key for one in placed}) == len(placed)
    assert len(placed) + split.dropped == len(records)


@given(people_lists, st.randoms(use_true_random=False))
def test_split_does_not_depend_on_the_order_of_records(people: People, random: object) -> None:
    records = make_records(people)
    mixed = records.copy()
    random.shuffle(mixed)  # type: ignore[attr-defined]
    try:
        split = split_records(records, seed=1)
    except DatasetInvalid:
        return
    again = split_records(mixed, seed=1)
    assert {one.key for one in split.test} == {one.key for one in again.test}


def test_split_keeps_pairs_of_people_together_and_drops_nothing() -> None:
    people: People = []
    for person in range(0, 100, 2):
        people += [(person, None), (person + 1, None), (person, person + 1), (person + 1, person)]
    split = split_records(make_records(people), seed=0)
    assert split.dropped == 0
    sizes = [len(part) / 200 for part in (split.train, split.val, split.test)]
    assert sizes == pytest.approx([0.6, 0.15, 0.25], abs=0.03)


def test_split_of_people_who_are_all_linked_breaks_them_up_and_counts_what_is_lost() -> None:
    people: People = [(person, None) for person in range(40)]
    people += [(person, (person + step) % 40) for person in range(40) for step in range(1, 8)]
    split = split_records(make_records(people), seed=0)
    assert len(split.test) >= 10
    assert 0 < split.dropped < len(people)
    assert find_leaks(split.train, split.test) == []


def test_split_of_one_group_is_rejected() -> None:
    with pytest.raises(DatasetInvalid):
        split_records(make_records([(0, None), (0, None), (0, None)]), seed=0)


def test_seed_changes_the_split() -> None:
    records = make_records([(person, None) for person in range(50)])
    tests = {
        frozenset(one.key.name for one in split_records(records, seed=seed).test)
        for seed in range(4)
    }
    assert len(tests) == 4


def test_published_split_is_used_and_what_has_none_is_dropped() -> None:
    records = [
        make_record(0, 0, split="train"),
        make_record(1, 1, split="test"),
        make_record(2, 2),
    ]
    split = use_published_split(records)
    assert (len(split.train), len(split.val), len(split.test), split.dropped) == (1, 0, 1, 1)


def test_leak_of_person_and_of_footage_is_found() -> None:
    train = [make_record(0, 1, source="a"), make_record(1, 2, source="b")]
    test = [make_record(2, 3, face=2, source="c"), make_record(3, 4, source="a")]
    assert [(leak.kind, leak.shared) for leak in find_leaks(train, test)] == [
        (LeakKind.IDENTITY, "p2"),
        (LeakKind.SOURCE, "a"),
    ]


def paint(seed: int, height: int = 90, width: int = 160) -> Pixels:
    """A picture of soft shapes."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    picture = np.zeros((height, width, 3))
    for _ in range(12):
        left, top, size = random.uniform(size=3)
        spot = np.exp(-((x - left) ** 2 + (y - top) ** 2) / (0.01 + 0.1 * size))
        picture += spot[..., None] * random.uniform(-120, 120, 3)
    return np.clip(picture + 128, 0, 255).astype(np.uint8)


def test_reencoded_copy_is_a_near_duplicate_and_other_pictures_are_not() -> None:
    records = {seed: make_record(seed, seed) for seed in range(20)}
    copies = {seed: replace(make_record(100 + seed, 100 + seed)) for seed in range(20)}
    hashes: dict[VideoKey, list[int]] = {}
    for seed in range(20):
        picture = paint(seed)
        original = hash_picture(picture)
        copy = hash_picture(degrade(picture, Degradation(scale=0.5, jpeg_quality=50)))
        assert original is not None
        assert copy is not None
        hashes[records[seed].key] = [original]
        hashes[copies[seed].key] = [copy]
    leaks = find_leaks([*records.values()], [*copies.values()], hashes, hashes)
    assert {(leak.train.name, leak.test.name) for leak in leaks} == {
        (str(seed), str(100 + seed)) for seed in range(20)
    }


@pytest.mark.parametrize("level", [0, 16, 128, 255])
def test_flat_picture_has_no_hash(level: int) -> None:
    assert hash_picture(np.full((48, 64, 3), level, np.uint8)) is None


@pytest.mark.parametrize("corner", [(0, 0), (70, 130), (40, 60)])
def test_hash_of_a_logo_on_black_says_nothing(corner: tuple[int, int]) -> None:
    picture = np.zeros((90, 160, 3), np.uint8)
    top, left = corner
    picture[top : top + 10, left : left + 17] = 255
    found = hash_picture(picture)
    assert found is not None
    assert not says_something(found)


@given(st.lists(st.sets(st.integers(0, 63), max_size=2), max_size=6))
def test_hashes_that_say_nothing_would_all_look_alike(ones: list[set[int]]) -> None:
    hashes = [sum(1 << place for place in places) for places in ones]
    assert not any(says_something(one) or says_something(one ^ (2**64 - 1)) for one in hashes)
    assert all((a ^ b).bit_count() <= MOST_DIFFERENT_BITS for a in hashes for b in hashes)


def test_hash_of_a_painted_picture_says_something() -> None:
    hashes = [hash_picture(paint(seed)) for seed in range(20)]
    assert all(one is not None and says_something(one) for one in hashes)


def draw_hashes(seed: int, count: int) -> list[int]:
    random = np.random.default_rng(seed)
    return [int(one) for one in random.integers(0, 2**64, count, np.uint64)]


def count_shared(left: list[int], right: list[int]) -> SharedFrames | None:
    (*found,) = find_shared_frames([left], [right], image_bits=MOST_DIFFERENT_BITS)
    assert len(found) <= 1
    return found[0] if found else None


def test_each_frame_is_counted_once_and_a_picture_that_stands_still_is_one_distinct() -> None:
    logo, *rest = draw_hashes(1, 9)
    first, second = [logo] * 6 + rest[:4], [logo] * 8 + rest[4:]
    assert count_shared(first, second) == SharedFrames(0, 0, 6, 10, 1, 5)
    assert count_shared(second, first) == SharedFrames(0, 0, 6, 10, 1, 5)
    assert count_shared(rest[:4], rest[4:]) is None
    assert count_shared(first, []) is None


@pytest.mark.parametrize("still", [1, 4, 12])
def test_logo_that_stands_still_makes_no_look_alikes(still: int) -> None:
    logo, *rest = draw_hashes(2, 9)
    first, second = [logo] * still + rest[:4], [logo ^ 1] * still + rest[4:]
    people = join_look_alikes([("anna", first), ("bert", second)])
    assert people == {"anna": "anna", "bert": "bert"}
    train, test = make_record(0, 0), make_record(1, 1)
    assert find_leaks([train], [test], {train.key: first}, {test.key: second}) == []


def test_intro_before_a_face_that_hardly_moves_makes_no_look_alikes() -> None:
    intro, anna, bert = draw_hashes(3, 3)
    first, second = [intro, *[anna] * 9], [intro, *[bert] * 9]
    assert len({*join_look_alikes([("anna", first), ("bert", second)]).values()}) == 2
    train, test = make_record(0, 0), make_record(1, 1)
    assert find_leaks([train], [test], {train.key: first}, {test.key: second}) == []


def test_black_frames_with_logos_make_no_look_alikes() -> None:
    people = join_look_alikes([("anna", [0b1] * 8), ("bert", [0b1] * 4), ("carl", [2**64 - 1] * 4)])
    assert len({*people.values()}) == 3


def test_shorter_cut_is_a_look_alike_however_long_the_other_goes_on() -> None:
    frames = draw_hashes(4, 40)
    assert count_shared(frames[10:16], frames) == SharedFrames(0, 0, 6, 6, 6, 6)
    people = join_look_alikes([("whole", frames), ("cut", frames[10:16])])
    assert {*people.values()} == {"cut"}


@pytest.mark.parametrize(("shared", "is_leak"), [(2, False), (3, True), (8, True)])
def test_leak_is_reported_for_more_than_a_quarter_of_the_frames(shared: int, is_leak: bool) -> None:
    first, second = draw_hashes(5, 8), draw_hashes(6, 8)
    second[:shared] = first[:shared]
    train, test = make_record(0, 0), make_record(1, 1)
    leaks = find_leaks([train], [test], {train.key: first}, {test.key: second})
    assert [leak.shared for leak in leaks] == [f"{shared} of 8 frames look alike"] * is_leak


@given(st.lists(st.lists(st.integers(0, 15), max_size=6), max_size=8))
def test_shared_frames_are_those_that_are_seen_in_the_other(chosen: list[list[int]]) -> None:
    pictures = draw_hashes(7, 16)
    videos = [[pictures[number] for number in own] for own in chosen]
    found = {
        (one.left, one.right): one
        for one in find_shared_frames(videos, videos, image_bits=MOST_DIFFERENT_BITS)
    }
    for i, own in enumerate(chosen):
        for j, other in enumerate(chosen):
            if not {*own} & {*other}:
                assert (i, j) not in found
                continue
            one = found[i, j]
            assert one.of_frames == min(len(own), len(other))
            assert one.frames in {
                sum(number in other for number in own),
                sum(number in own for number in other),
            }
            assert one.distinct == len({*own} & {*other})


def test_look_alikes_under_different_names_are_one_person() -> None:
    random = np.random.default_rng(3)
    footage = [[int(one) for one in random.integers(0, 2**63, 8)] for _ in range(4)]
    swapped = [value ^ 0b1011 for value in footage[0]]  # three bits of each frame
    people = join_look_alikes(
        [
            ("bert", footage[0]),
            ("fake/x", swapped),
            ("carl", footage[1]),
            ("carl", footage[2]),
            ("one shared shot", [*footage[1][:3], *footage[3][3:]]),
            ("portrait", [footage[3][0] ^ 0b11]),
            ("same portrait", [footage[3][0] ^ 0b10]),
            ("flat", []),
        ]
    )
    assert people == {
        "bert": "bert",
        "fake/x": "bert",
        "carl": "carl",
        "one shared shot": "one shared shot",
        "portrait": "portrait",
        "same portrait": "portrait",
        "flat": "flat",
    }


def test_hash_and_comparison_of_pictures_take_little_memory() -> None:
    picture = np.zeros((2160, 3840, 3), np.uint8)
    picture[:, ::2] = 200
    picture[:1000, 2000:] = 255
    long, other = [7] * 5000, [15] * 5000
    short = [[7, *own] for own in zip(draw_hashes(8, 5000), draw_hashes(9, 5000), strict=True)]
    tracemalloc.start()
    try:
        assert hash_picture(picture) is not None
        shared = next(find_shared_frames([long], [other], image_bits=1))
        assert shared == SharedFrames(0, 0, 5000, 5000, 1, 1)
        assert sum(1 for _ in find_shared_frames([long], short, image_bits=1)) == 5000
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
