"""Calibration: error rates that hold, limits of its domain, and what it refuses."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.detection import OPTIONS, SUBJECT, make_calibration, make_calibration_videos

from cinemill.capabilities.detection.verdict.bands import Band
from cinemill.capabilities.detection.verdict.calibration import (
    Calibration,
    CalibrationOptions,
    CalibrationVideo,
    fit_calibration,
)
from cinemill.capabilities.detection.verdict.verdict import decide_by_score
from cinemill.errors import InputRejected

pytestmark = pytest.mark.property

RATES = st.sampled_from([0.05, 0.1, 0.2, 0.34])


def fit(logits: list[tuple[float, bool]], rate: float) -> Calibration:
    videos = [CalibrationVideo(logit, truth, at) for at, (logit, truth) in enumerate(logits)]
    options = CalibrationOptions(
        SUBJECT, "x", nominal_false_positive_rate=rate, nominal_miss_rate=rate
    )
    return fit_calibration(videos, options)


@settings(max_examples=15)
@given(st.integers(0, 10_000), RATES, st.integers(20, 30))
def test_wrong_decisions_on_exchangeable_videos_are_at_most_the_nominal_rate(
    seed: int, rate: float, count: int
) -> None:
    random = np.random.default_rng(seed)
    videos = [(float(random.normal(2 * truth, 1)), bool(truth)) for truth in [0, 1] * count]
    wrong = {False: 0, True: 0}
    for at, (logit, truth) in enumerate(videos):
        others = fit(videos[:at] + videos[at + 1 :], rate)
        band = decide_by_score(logit, others).band
        wrong[truth] += band is (Band.NO_MANIPULATION_FOUND if truth else Band.LIKELY_MANIPULATED)
    assert wrong[False] / count <= rate + 1e-9
    assert wrong[True] / count <= rate + 1e-9


@given(st.floats(-12, 12), st.floats(0, 3))
def test_limits_in_the_report_are_those_of_the_decision(logit: float, margin: float) -> None:
    calibration = make_calibration(margin=margin)
    rejections = calibration.find_rejections(logit)
    band = decide_by_score(logit, calibration).band
    if band is Band.LIKELY_MANIPULATED:
        assert rejections == (True, False)
    elif band is Band.NO_MANIPULATION_FOUND:
        assert rejections == (False, True)
    elif not margin and rejections[0] != rejections[1]:
        # The one class is ruled out, but the other one is less probable all the same.
        assert rejections.is_unmanipulated_rejected == (logit <= calibration.midpoint)


@given(st.floats(-12, 12), st.floats(0, 3))
def test_margin_only_takes_decisions_away(logit: float, margin: float) -> None:
    plain = decide_by_score(logit, make_calibration()).band
    careful = decide_by_score(logit, make_calibration(margin=margin)).band
    assert careful in {plain, Band.INCONCLUSIVE}


@pytest.mark.parametrize("logit", [-5.0, 0.0, 5.0])
@pytest.mark.parametrize("margin", [0.0, 1.0])
def test_score_between_separated_classes_is_like_neither(logit: float, margin: float) -> None:
    separated = fit(
        [(sign * (10 + at / 100), sign > 0) for at in range(30) for sign in (-1, 1)], 0.1
    )
    calibration = separated.model_copy(update={"margin": margin})
    verdict = decide_by_score(logit, calibration)
    assert verdict.band is Band.INCONCLUSIVE
    assert verdict.reasons == ("unlike_both_classes",)
    assert decide_by_score(20.0, separated).band is Band.LIKELY_MANIPULATED
    assert decide_by_score(-20.0, separated).band is Band.NO_MANIPULATION_FOUND


def test_margin_is_in_units_of_the_scaled_logit() -> None:
    careful = make_calibration(margin=5.0)
    limit = careful.unmanipulated.find_upper_limit(careful.nominal_false_positive_rate)
    assert careful.flag_logit == pytest.approx(limit + 5 * careful.temperature)


def test_videos_of_one_person_count_once() -> None:
    alone = make_calibration_videos(count=60)
    repeated = [replace(video, group=f"{video.group}") for video in alone for _ in range(5)]
    one, other = fit_calibration(alone, OPTIONS), fit_calibration(repeated, OPTIONS)
    assert one.unmanipulated.groups == other.unmanipulated.groups == 30
    assert other.flag_logit == pytest.approx(one.flag_logit)
    assert other.temperature == pytest.approx(one.temperature, rel=1e-4)


def test_far_distance_is_found_by_any_member() -> None:
    calibration = make_calibration(members=("one", "two"))
    assert not calibration.is_far({"one": 1.0, "two": 1.0})
    assert calibration.is_far({"one": 1.0, "two": 2.0})


def test_distance_of_a_member_without_calibration_is_far() -> None:
    assert make_calibration().is_far({"tiny": 1.0, "another": 1.0})


def test_few_calibration_videos_still_have_a_limit_of_distance() -> None:
    calibration = fit_calibration(make_calibration_videos(count=8), OPTIONS)
    most = max(calibration.distances["tiny"].scores)
    assert not calibration.is_far({"tiny": most})
    assert calibration.is_far({"tiny": most + 0.01})


def test_few_calibration_videos_decide_nothing() -> None:
    calibration = fit_calibration(make_calibration_videos(count=30), OPTIONS)
    assert not calibration.can_decide
    assert calibration.flag_logit == math.inf
    assert calibration.clear_logit == -math.inf
    for logit in (-1e9, 0.0, 1e9):
        verdict = decide_by_score(logit, calibration)
        assert verdict.band is Band.INCONCLUSIVE
        assert verdict.reasons == ("calibration_too_small",)


def test_changed_copy_finds_its_limits_again() -> None:
    plain = make_calibration()
    before = plain.flag_logit, plain.clear_logit
    careful = plain.model_copy(update={"margin": 9.0})
    assert careful.flag_logit == make_calibration(margin=9.0).flag_logit > before[0]
    assert careful.clear_logit < before[1]
    assert (plain.flag_logit, plain.clear_logit) == before


def test_calibration_survives_its_file() -> None:
    calibration = make_calibration(members=("one", "two"), margin=1.0)
    assert Calibration.model_validate_json(calibration.model_dump_json()) == calibration


@pytest.mark.parametrize("truth", [False, True])
def test_calibration_needs_both_classes(truth: bool) -> None:
    videos = [video for video in make_calibration_videos() if video.is_manipulated == truth]
    with pytest.raises(InputRejected) as refused:
        fit_calibration(videos, OPTIONS)
    assert refused.value.code == "calibration_classes"


def test_calibration_of_nothing_is_refused() -> None:
    with pytest.raises(InputRejected) as refused:
        fit_calibration([], OPTIONS)
    assert refused.value.code == "calibration_classes"


def test_inverted_scores_are_refused() -> None:
    videos = [replace(video, logit=-video.logit) for video in make_calibration_videos()]
    with pytest.raises(InputRejected) as refused:
        fit_calibration(videos, OPTIONS)
    assert refused.value.code == "calibration_useless"


@pytest.mark.parametrize("changes", [{"distances": {}}, {"disagreement": 1.0}])
def test_measures_of_some_videos_only_are_refused(changes: dict[str, object]) -> None:
    videos = make_calibration_videos()
    videos[3] = replace(videos[3], **changes)  # type: ignore[arg-type]
    with pytest.raises(InputRejected) as refused:
        fit_calibration(videos, OPTIONS)
    assert refused.value.code == "calibration_uneven"


def test_compression_limit_needs_every_video_measured() -> None:
    videos = make_calibration_videos()
    assert fit_calibration(videos, OPTIONS).least_bits_per_pixel == pytest.approx(0.05)
    videos[0] = replace(videos[0], bits_per_pixel=None)
    assert fit_calibration(videos, OPTIONS).least_bits_per_pixel is None
