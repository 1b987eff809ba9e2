"""Intervals, calibration, abstention and video scores."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinemill.capabilities.detection.datasets.records import VideoKey
from cinemill.capabilities.detection.evaluation.bootstrap import bootstrap_intervals
from cinemill.capabilities.detection.evaluation.measurement import measure_scores, rank, sigmoid
from cinemill.capabilities.detection.evaluation.ranking import UnmeasurableScores
from cinemill.capabilities.detection.evaluation.reliability import (
    measure_reliability,
    wilson_interval,
)
from cinemill.capabilities.detection.evaluation.risk_coverage import measure_risk_coverage
from cinemill.capabilities.detection.evaluation.robustness import (
    ROBUSTNESS_GRID,
    ConditionOutcome,
    list_failures,
)
from cinemill.capabilities.detection.evaluation.video_scores import (
    ContradictoryLabels,
    FrameScore,
    join_frames,
)


def make_frames(
    people: int, frames: int, *, gap: float, seed: int, spread: float = 1.0
) -> list[FrameScore]:
    """A real and a fake video of each person; ``spread`` is what a person adds to all scores."""
    random = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        own = random.normal(0, spread)
        for is_fake in (False, True):
            key = VideoKey("set", "swap" if is_fake else "real", f"{person}")
            rows += [
                FrameScore(key, is_fake, f"p{person}", float(own + gap * is_fake + random.normal()))
                for _ in range(frames)
            ]
    return rows


def test_interval_covers_the_true_auc_as_often_as_it_says() -> None:
    # Scores of normal distributions 1 apart with deviation sqrt(2): AUC 0.6915 exactly.
    covered = 0
    for seed in range(60):
        ranked = rank(make_frames(40, 1, gap=1.0, seed=seed), seed=seed, replicates=100)
        assert ranked.intervals is not None
        interval = ranked.intervals["auc"]
        covered += interval.lower <= 0.6915 <= interval.upper
    assert covered >= 0.85 * 60


def test_interval_is_over_people_not_over_frames() -> None:
    # A hundred times as many frames of the same ten people make no interval ten times narrower.
    few = rank(make_frames(12, 2, gap=1.0, seed=1, spread=2.0), seed=0, replicates=200)
    many = rank(make_frames(12, 200, gap=1.0, seed=1, spread=2.0), seed=0, replicates=200)
    assert few.intervals is not None
    assert many.intervals is not None
    widths = [one.intervals["auc"].upper - one.intervals["auc"].lower for one in (few, many)]  # type: ignore[index]
    assert widths[1] > widths[0] / 3


def test_interval_is_the_same_for_the_same_seed() -> None:
    frames = make_frames(10, 3, gap=1.0, seed=3)
    assert rank(frames, seed=5, replicates=50) == rank(frames, seed=5, replicates=50)
    assert rank(frames, seed=5, replicates=50) != rank(frames, seed=6, replicates=50)


def test_interval_is_not_given_for_too_few_people() -> None:
    assert rank(make_frames(4, 20, gap=1.0, seed=1), seed=0, replicates=50).intervals is None


def test_interval_is_not_given_if_most_draws_cannot_be_measured() -> None:
    def never(_weights: object) -> list[float]:
        raise UnmeasurableScores("one class")

    assert bootstrap_intervals(["a", "b", "c", "d", "e"], never, seed=0, replicates=20) is None


_PROBABILITIES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(_PROBABILITIES, _PROBABILITIES, st.integers(1, 20))
def test_calibration_error_is_that_of_its_bins_with_classes_of_equal_weight(
    of_fakes: list[float], of_reals: list[float], bins: int
) -> None:
    rows = [(1, p, 0.5 / len(of_fakes)) for p in of_fakes]
    rows += [(0, p, 0.5 / len(of_reals)) for p in of_reals]
    measured = measure_reliability([y for y, _, _ in rows], [p for _, p, _ in rows], bins)
    assert sum(one.count for one in measured.bins) == len(rows)
    assert sum(one.weight for one in measured.bins) == pytest.approx(1)
    slow = 0.0
    for number in range(bins):
        inside = [(y, p, w) for y, p, w in rows if min(int(p * bins), bins - 1) == number]
        slow += abs(sum(w * (y - p) for y, p, w in inside))
    assert measured.expected_error == pytest.approx(slow, abs=1e-9)
    assert measured.expected_error <= measured.maximum_error + 1e-12
    for one in measured.bins:
        assert 0 <= one.share_lower <= one.share_fake <= one.share_upper <= 1


@given(
    st.lists(st.floats(-5, 5), min_size=1, max_size=15),
    st.lists(st.floats(-5, 5), min_size=1, max_size=15),
    st.integers(2, 9),
    st.booleans(),
)
@settings(max_examples=40)
def test_more_videos_of_one_class_change_neither_calibration_error_nor_risk(
    of_fakes: list[float], of_reals: list[float], times: int, is_of_fakes: bool
) -> None:
    def measure(fakes: list[float], reals: list[float]) -> list[float]:
        labels = [True] * len(fakes) + [False] * len(reals)
        frames = [
            FrameScore(VideoKey("set", f"{is_fake}", str(n)), is_fake, f"p{n}", logit)
            for n, (is_fake, logit) in enumerate(zip(labels, [*fakes, *reals], strict=True))
        ]
        measured = measure_scores(frames, to_probability=sigmoid, seed=0, replicates=1)
        bins = [
            (one.weight, one.mean_probability, one.share_fake) for one in measured.reliability.bins
        ]
        points = [(p.confidence, p.coverage, p.risk) for p in measured.risk_coverage.points]
        errors = (measured.reliability.expected_error, measured.reliability.maximum_error)
        return [*errors, measured.risk_coverage.area, *chain(*bins), *chain(*points)]

    more_fakes, more_reals = (times, 1) if is_of_fakes else (1, times)
    repeated = measure(of_fakes * more_fakes, of_reals * more_reals)
    assert repeated == pytest.approx(measure(of_fakes, of_reals), abs=1e-9)


def test_calibration_error_is_small_for_true_probabilities_and_large_for_false_ones() -> None:
    random = np.random.default_rng(0)
    probabilities = random.uniform(size=20_000)
    labels = random.uniform(size=20_000) < probabilities
    assert measure_reliability(labels, probabilities).expected_error < 0.015
    assert measure_reliability(labels, probabilities**3).expected_error > 0.15


def test_calibration_rejects_what_is_no_probability() -> None:
    with pytest.raises(UnmeasurableScores):
        measure_reliability([True, False], [1.2, 0.5])
    with pytest.raises(UnmeasurableScores):
        measure_reliability([True, False], [float("nan"), 0.5])
    with pytest.raises(UnmeasurableScores, match="only one kind"):
        measure_reliability([True, True], [0.2, 0.5])


def test_wilson_interval_of_no_videos_says_nothing() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert wilson_interval(0, 20)[1] == pytest.approx(0.161, abs=0.001)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=1, max_size=40))
def test_risk_is_the_share_of_errors_among_the_surest(rows: list[tuple[bool, int]]) -> None:
    curve = measure_risk_coverage([wrong for wrong, _ in rows], [sure for _, sure in rows])
    for point in curve.points:
        kept = [wrong for wrong, sure in rows if sure >= point.confidence]
        assert point.coverage == pytest.approx(len(kept) / len(rows))
        assert point.risk == pytest.approx(sum(kept) / len(kept))
    assert curve.points[-1].coverage == 1.0
    assert 0 <= curve.area <= 1
    coverage = curve.coverage_at(0.1)
    assert all(p.risk > 0.1 for p in curve.points if p.coverage > coverage)


def test_frames_are_joined_by_data_set_method_and_name() -> None:
    # One name under two methods and two data sets: four videos, not one.
    frames = [
        FrameScore(VideoKey(dataset, method, "000_003"), True, "a", score)
        for dataset in ("one", "two")
        for method, score in (("swap", 1.0), ("swap", 3.0), ("paint", 5.0))
    ]
    joined = join_frames(frames)
    assert [(v.video.dataset, v.video.method, v.score, v.frames) for v in joined] == [
        ("one", "paint", 5.0, 1),
        ("one", "swap", 2.0, 2),
        ("two", "paint", 5.0, 1),
        ("two", "swap", 2.0, 2),
    ]


def test_frames_of_one_video_with_different_labels_are_rejected() -> None:
    key = VideoKey("set", "swap", "x")
    with pytest.raises(ContradictoryLabels):
        join_frames([FrameScore(key, True, "a", 1.0), FrameScore(key, False, "a", 1.0)])


def test_measurement_reports_each_method_against_reals_of_its_data_set() -> None:
    frames = make_frames(8, 2, gap=3.0, seed=2)
    frames += [
        FrameScore(VideoKey("other", "reenact", str(n)), True, f"q{n}", -5.0) for n in range(6)
    ]
    measured = measure_scores(
        frames, to_probability=sigmoid, thresholds={0.05: 2.0}, seed=0, replicates=50
    )
    assert set(measured.by_method) == {"set/swap", "other/reenact"}
    assert measured.by_method["other/reenact"].figures.auc < 0.2
    assert measured.by_method["set/swap"].figures.auc > 0.8
    assert measured.videos.fakes == 14
    assert measured.frames.reals == 16
    outcome = measured.thresholds[0]
    reals = [v.score for v in join_frames(frames) if not v.is_fake]
    assert outcome.realised_fpr == pytest.approx(sum(s >= 2.0 for s in reals) / len(reals))


def test_condition_holds_while_reals_are_flagged_as_rarely_as_promised() -> None:
    outcomes = [
        ConditionOutcome(
            "mild", reals=200, reals_flagged=15, fakes=9, fakes_flagged=5, abstained=0
        ),
        ConditionOutcome(
            "hard", reals=200, reals_flagged=16, fakes=9, fakes_flagged=5, abstained=0
        ),
        ConditionOutcome("few", reals=5, reals_flagged=1, fakes=0, fakes_flagged=0, abstained=0),
    ]
    assert list_failures(outcomes, 0.05) == ["hard"]
    assert ConditionOutcome("none", 0, 0, 1, 1, 0).false_alarm_rate is None


def test_robustness_grid_names_each_condition_once() -> None:
    names = [one.name for one in ROBUSTNESS_GRID]
    assert len(set(names)) == len(names)
    assert sum(one.codec is not None for one in ROBUSTNESS_GRID) == 6
    assert {one.jpeg_quality for one in ROBUSTNESS_GRID} >= {50, 70, 90}


def test_sigmoid_does_not_overflow() -> None:
    assert sigmoid(-1e4) == 0.0
    assert sigmoid(1e4) == 1.0
    assert sigmoid(0.0) == 0.5
