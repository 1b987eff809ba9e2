"""Temperature and midpoint."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.detection.verdict.scaling import Scaling, fit_scaling, sigmoid
from cinemill.errors import InputRejected


def draw(seed: int, count: int, temperature: float, midpoint: float) -> tuple[object, object]:
    """Logits whose probability of a manipulation follows the scaling exactly."""
    random = np.random.default_rng(seed)
    logits = random.normal(midpoint, 2 * temperature, count)
    chances = 1 / (1 + np.exp(-(logits - midpoint) / temperature))
    return logits, random.random(count) < chances


@pytest.mark.parametrize(("temperature", "midpoint"), [(1.0, 0.0), (3.0, 1.5), (0.2, -40.0)])
def test_fit_finds_the_scaling_that_the_scores_follow(temperature: float, midpoint: float) -> None:
    found = fit_scaling(*draw(7, 20_000, temperature, midpoint))  # type: ignore[arg-type]
    assert found.temperature == pytest.approx(temperature, rel=0.05)
    assert found.midpoint == pytest.approx(midpoint, abs=0.1 * temperature)


@given(st.floats(0.01, 100), st.floats(-100, 100))
def test_fit_follows_a_change_of_scale(scale: float, shift: float) -> None:
    logits = np.array([-2.0, -1.0, 0.5, -0.5, 1.0, 2.0])
    labels = [False, False, False, True, True, True]
    base, moved = fit_scaling(logits, labels), fit_scaling(logits * scale + shift, labels)
    assert moved.temperature == pytest.approx(base.temperature * scale, rel=1e-3)
    for logit in logits:
        assert moved.probability(logit * scale + shift) == pytest.approx(
            base.probability(logit), abs=1e-3
        )


def test_fit_does_not_depend_on_how_many_videos_each_class_has() -> None:
    logits, labels = [-1.0, 0.2, -0.2, 1.0], [False, False, True, True]
    few = fit_scaling(logits * 200, labels * 200)
    many = fit_scaling(logits * 200 + [-1.0, 0.2] * 5000, labels * 200 + [False] * 10_000)
    assert many.probability(0.5) == pytest.approx(few.probability(0.5), abs=0.02)


def test_separated_classes_give_no_certainty() -> None:
    found = fit_scaling([-1.0, -1.1, -0.9, 0.9, 1.0, 1.1], [False] * 3 + [True] * 3)
    assert found.probability(1.0) == pytest.approx(0.8, abs=0.03)


def test_duplicated_groups_weigh_as_their_weights_say() -> None:
    logits, labels = [-1.0, 0.5, -0.5, 1.0], [False, False, True, True]
    weighted = fit_scaling([*logits, 1.0], [*labels, True], [1, 1, 1, 0.5, 0.5])
    assert weighted == pytest.approx(fit_scaling(logits, labels), abs=1e-6)


@pytest.mark.parametrize("labels", [[False, False], [True, True], []])
def test_one_class_alone_is_refused(labels: list[bool]) -> None:
    with pytest.raises(InputRejected) as refused:
        fit_scaling([1.0, 2.0][: len(labels)], labels)
    assert refused.value.code == "calibration_classes"


@pytest.mark.parametrize("logits", [[2.0, 1.0], [1.0, 1.0]])
def test_scores_that_do_not_rise_are_refused(logits: list[float]) -> None:
    with pytest.raises(InputRejected) as refused:
        fit_scaling(logits * 10, [False, True] * 10)
    assert refused.value.code == "calibration_useless"


@given(st.floats(allow_nan=False))
def test_sigmoid_is_a_probability_for_every_number(value: float) -> None:
    assert 0 <= sigmoid(value) <= 1
    assert sigmoid(value) + sigmoid(-value) == pytest.approx(1)


def test_probability_at_the_midpoint_is_one_half() -> None:
    assert Scaling(temperature=3.0, midpoint=-7.0).probability(-7.0) == 0.5
    assert math.isclose(Scaling(2.0, 0.0).probability(2.0), 1 / (1 + math.exp(-1)))
