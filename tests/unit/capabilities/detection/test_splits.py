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
from cinemill.capabilities.detection.datasets.picture_hash import find_close_pairs, hash_picture
from cinemill.capabilities.detection.datasets.records import DatasetInvalid, VideoKey, VideoRecord
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


@given(st.lists(st.integers(0, 2**64 - 1), max_size=12), st.integers(0, 64))
def test_close_pairs_are_those_whose_bits_differ_little(values: list[int], bits: int) -> None:
    expected = [
        (i, j)
        for i, one in enumerate(values)
        for j, other in enumerate(values)
        if (one ^ other).bit_count() <= bits
    ]
    found = [
        pair
        for pairs in find_close_pairs(values, values, bits)
        for pair in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)
    ]
    assert sorted(found) == expected


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
    hashes = [7] * 5000
    tracemalloc.start()
    try:
        assert hash_picture(picture) is not None
        assert sum(pairs.left.size for pairs in find_close_pairs(hashes, hashes, 0)) == 5000**2
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
