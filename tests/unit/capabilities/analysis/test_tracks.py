"""Sightings of one thing in a shot have one number; tags of a shot are one finding."""

from __future__ import annotations

import random

import pytest
from tests.unit.media.test_sampling import make_index

from cinemill.capabilities.analysis.keyframes import (
    choose_keyframe_findings,
    list_shots,
    read_look,
    write_look,
)
from cinemill.capabilities.analysis.sampled_frames import find_frame_end, find_shot
from cinemill.capabilities.analysis.tags import group_tags
from cinemill.capabilities.analysis.tracks import number_tracks
from cinemill.core.findings.finding import Finding, PictureBox
from cinemill.core.frames import Shot
from cinemill.media.frames.keyframes import FrameLook

SHOTS = [Shot(0, 5000), Shot(5000, 10_000)]


def see(time_ms: int, left: float, label: str = "person", *, top: float = 0.3) -> Finding:
    return Finding(time_ms, time_ms + 40, label, 0.8, PictureBox(left, top, 0.1, 0.4))


def numbers(findings: list[Finding]) -> list[tuple[int, str, int | None]]:
    return [(one.start_ms, one.label, one.track) for one in findings]


def test_thing_that_moves_keeps_its_number_within_a_shot() -> None:
    seen = [see(1000 * n, 0.1 + 0.02 * n) for n in range(8)]
    found = number_tracks(seen, SHOTS, aspect=16 / 9)
    assert [one.track for one in found] == [1, 1, 1, 1, 1, 2, 2, 2]
    assert [(one.start_ms, one.box) for one in found] == [(one.start_ms, one.box) for one in seen]


def test_two_things_side_by_side_have_two_numbers() -> None:
    seen = [see(1000 * n, left) for n in range(3) for left in (0.1, 0.7)]
    found = number_tracks(seen, SHOTS, aspect=16 / 9)
    assert [one.track for one in found] == [1, 2, 1, 2, 1, 2]


def test_things_of_different_kinds_are_different() -> None:
    seen = [see(0, 0.1), see(0, 0.1, "dog"), see(1000, 0.1), see(1000, 0.1, "dog")]
    assert numbers(number_tracks(seen, SHOTS, aspect=1.5)) == [
        (0, "dog", 1),
        (0, "person", 2),
        (1000, "dog", 1),
        (1000, "person", 2),
    ]


def test_order_of_sightings_does_not_matter() -> None:
    seen = [see(500 * n, left) for n in range(12) for left in (0.05, 0.4, 0.8)]
    mixed = random.Random(7).sample(seen, len(seen))
    assert number_tracks(mixed, SHOTS, aspect=1.5) == number_tracks(seen, SHOTS, aspect=1.5)


def test_finding_without_a_box_has_no_number() -> None:
    assert number_tracks([Finding(0, 40, "person", 0.8)], SHOTS, aspect=1.5)[0].track is None
    assert number_tracks([], [], aspect=1.5) == []


def test_tag_of_a_shot_is_one_finding() -> None:
    seen = [
        Finding(1000, 1040, "suit", 0.4),
        Finding(3000, 3040, "suit", 0.6),
        Finding(3000, 3040, "tie", 0.3),
        Finding(6000, 6040, "suit", 0.5),
    ]
    assert group_tags(seen, SHOTS) == [
        Finding(1000, 3040, "suit", 0.6, details={"frames": 2}),
        Finding(3000, 3040, "tie", 0.3, details={"frames": 1}),
        Finding(6000, 6040, "suit", 0.5, details={"frames": 1}),
    ]


def test_time_belongs_to_the_shot_that_has_begun() -> None:
    assert [find_shot(SHOTS, time_ms) for time_ms in (-5, 0, 4999, 5000, 99_999)] == [0, 0, 0, 1, 1]
    assert find_shot([], 100) == 0


def test_frame_ends_when_the_next_one_begins() -> None:
    index = make_index([500, 540, 620])
    assert [find_frame_end(index, pts) for pts in (500, 540, 620)] == [40, 120, 160]
    with pytest.raises(KeyError):
        find_frame_end(index, 501)


def test_candidate_is_read_as_it_was_written() -> None:
    look = FrameLook(9000, 300, 12.345, 2**64 - 2, (1.25, 200.0, 3.5))
    finding = write_look(look, 340)
    assert (finding.start_ms, finding.end_ms) == (300, 340)
    assert read_look(finding) == look


def test_other_findings_are_no_key_frames() -> None:
    with pytest.raises(ValueError, match="at 300 ms"):
        choose_keyframe_findings([Finding(300, 340, "person")], SHOTS)


def test_candidate_that_two_chunks_found_counts_once() -> None:
    candidate = write_look(FrameLook(9000, 300, 1.0, 5, (0.0, 0.0, 0.0)), 340)
    assert choose_keyframe_findings([candidate, candidate], SHOTS) == [candidate]


def test_shots_are_findings() -> None:
    assert list_shots(SHOTS) == [Finding(0, 5000, "shot"), Finding(5000, 10_000, "shot")]
