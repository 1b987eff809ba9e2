"""Aggregation of frames to tracks and of tracks to a video."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.detection.verdict.aggregation import (
    aggregate_track,
    aggregate_video,
    mean_of_highest,
)

pytestmark = pytest.mark.property

LOGITS = st.floats(-50, 50, allow_nan=False, width=32)
TRACK = st.lists(LOGITS, min_size=1, max_size=12)
TRACKS = st.lists(TRACK, min_size=1, max_size=6)


@given(TRACKS, st.data())
def test_video_score_never_falls_if_a_frame_rises(
    tracks: list[list[float]], data: st.DataObject
) -> None:
    before = aggregate_video(tracks)
    track = data.draw(st.sampled_from(tracks))
    track[data.draw(st.integers(0, len(track) - 1))] += data.draw(st.floats(0, 20))
    assert aggregate_video(tracks) >= before - 1e-9


@given(TRACKS, st.integers())
def test_video_score_does_not_depend_on_order(tracks: list[list[float]], seed: int) -> None:
    random = Random(seed)
    shuffled = [random.sample(track, len(track)) for track in random.sample(tracks, len(tracks))]
    assert aggregate_video(shuffled) == pytest.approx(aggregate_video(tracks), abs=1e-9)


@given(TRACKS, st.floats(-20, 20))
def test_video_score_shifts_with_the_scores(tracks: list[list[float]], shift: float) -> None:
    shifted = [[logit + shift for logit in track] for track in tracks]
    assert aggregate_video(shifted) == pytest.approx(aggregate_video(tracks) + shift, abs=1e-6)


@given(TRACKS)
def test_video_score_is_among_the_scores(tracks: list[list[float]]) -> None:
    logits = [logit for track in tracks for logit in track]
    assert min(logits) - 1e-9 <= aggregate_video(tracks) <= max(logits) + 1e-9


@given(LOGITS, st.integers(1, 9), st.integers(1, 5))
def test_equal_scores_give_exactly_that_score(logit: float, frames: int, tracks: int) -> None:
    assert aggregate_video([[logit] * frames] * tracks) == logit


def test_track_score_is_the_mean_of_the_higher_half() -> None:
    assert aggregate_track([0.0, 4.0, 2.0, -9.0]) == 3.0
    assert aggregate_track([1.0, 4.0, 1.0]) == pytest.approx((4 + 0.5) / 1.5)


def test_single_frame_among_many_does_not_decide() -> None:
    assert aggregate_video([[0.0] * 31 + [16.0]]) == 1.0


def test_person_in_a_quarter_of_the_faces_counts_in_full() -> None:
    assert aggregate_video([[5.0] * 8, [-3.0] * 8, [-3.0] * 8, [-3.0] * 8]) == 5.0
    assert aggregate_video([[5.0] * 4, [-3.0] * 28]) == 1.0


def test_short_track_does_not_outweigh_a_long_one() -> None:
    assert aggregate_video([[9.0], [0.0] * 39]) == pytest.approx(0.9)


def test_tracks_without_frames_are_left_out() -> None:
    assert aggregate_video([[], [1.0, 1.0], []]) == 1.0


@pytest.mark.parametrize("tracks", [[], [[]]])
def test_video_without_frames_has_no_score(tracks: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="no values"):
        aggregate_video(tracks)


@pytest.mark.parametrize("fault", [math.nan, math.inf, -math.inf])
def test_score_that_is_not_finite_is_not_left_out(fault: float) -> None:
    assert math.isnan(mean_of_highest([3.0, 2.0, 1.0, fault], part=0.25))
