"""Suspicious regions."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.detection.verdict.regions import (
    LEAST_SIGHTINGS,
    ScoredFace,
    ScoredTrack,
    find_regions,
)
from cinemill.core.faces import FaceBox

pytestmark = pytest.mark.property


def make_track(number: int, *sightings: tuple[int, float], left: float = 10) -> ScoredTrack:
    boxes = (FaceBox(left + time_ms / 100, 20, 50, 60, 0.9) for time_ms, _ in sightings)
    return ScoredTrack(
        number,
        tuple(
            ScoredFace(time_ms, box, logit)
            for (time_ms, logit), box in zip(sightings, boxes, strict=True)
        ),
    )


def test_region_is_a_range_of_high_sightings_with_the_box_around_them() -> None:
    track = make_track(3, (0, -1), (500, 3), (1000, 5), (1500, 4), (2000, -2))
    (region,) = find_regions([track], 1.0)
    assert (region.track, region.start_ms, region.end_ms) == (3, 500, 1501)
    assert (region.left, region.top, region.width, region.height) == (15, 20, 60, 60)
    assert (region.peak_ms, region.sightings) == (1000, 3)
    assert region.logit == pytest.approx((5 + 0.5 * 4) / 1.5)


def test_single_high_sighting_is_no_region() -> None:
    assert find_regions([make_track(1, (0, 0), (500, 9), (1000, 0))], 1.0) == []


def test_low_sighting_and_long_gap_part_regions() -> None:
    track = make_track(1, (0, 2), (100, 2), (200, 0), (300, 2), (400, 2), (9000, 2), (9100, 2))
    found = find_regions([track], 1.0, most_gap_ms=2000)
    assert [(region.start_ms, region.end_ms) for region in found] == [
        (0, 101),
        (300, 401),
        (9000, 9101),
    ]


def test_regions_of_several_faces_are_in_order_of_time() -> None:
    tracks = [make_track(1, (500, 2), (600, 2)), make_track(2, (0, 2), (100, 2))]
    assert [region.track for region in find_regions(tracks, 1.0)] == [2, 1]


@given(
    st.lists(st.tuples(st.integers(0, 5000), st.floats(-5, 5)), max_size=30),
    st.floats(-5, 5),
    st.integers(1, 3000),
)
def test_each_region_holds_only_high_sightings_and_no_two_overlap(
    sightings: list[tuple[int, float]], threshold: float, most_gap_ms: int
) -> None:
    ordered = sorted(dict(sightings).items())
    track = make_track(1, *ordered)
    regions = find_regions([track], threshold, most_gap_ms=most_gap_ms)
    for region in regions:
        inside = [face for face in track.faces if region.start_ms <= face.time_ms < region.end_ms]
        assert len(inside) == region.sightings >= LEAST_SIGHTINGS
        assert all(face.logit > threshold for face in inside)
        assert all(region.left <= face.box.left for face in inside)
    for one, following in pairwise(regions):
        assert one.end_ms <= following.start_ms
