"""The fit of a head: the optimum, found whatever the scale, and chosen on people left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cinemill.capabilities.detection.evaluation.ranking import roc_auc
from cinemill.capabilities.detection.training.head_fit import (
    assign_folds,
    fit_fusion_weights,
    fit_head,
)
from cinemill.inference.statistics.logistic import TrainingImpossible, fit_logistic

Rows = NDArray[np.float64]


def make_examples(
    seed: int, rows: int, columns: int, *, signal: float = 1.0
) -> tuple[Rows, NDArray[np.bool_]]:
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, columns)) * random.uniform(0.1, 5, columns)
    features += random.normal(0, 3, columns)
    labels = random.uniform(size=rows) < 0.5
    labels[:2] = True, False
    features[labels, 0] += signal
    return features, labels


def loss_gradient(features: Rows, labels: NDArray[np.bool_], strength: float) -> tuple[Rows, Rows]:
    """The gradient at the fit, in standardized features, computed without the solver."""
    fit = fit_logistic(features, labels, strength=strength)
    deviation = features.std(axis=0)
    standard = (features - features.mean(axis=0)) / deviation
    weights = np.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum())
    chance = 1 / (1 + np.exp(-(features @ fit.weights + fit.bias)))
    residual = weights * (chance - labels)
    return standard.T @ residual + strength * fit.weights * deviation, residual


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(4, 60), st.integers(1, 12), st.sampled_from([1, 0.1, 0.003])
)
def test_fit_is_the_optimum(seed: int, rows: int, columns: int, strength: float) -> None:
    features, labels = make_examples(seed, rows, columns)
    gradient, residual = loss_gradient(features, labels, strength)
    assert np.abs(gradient).max() < 1e-5
    assert abs(residual.sum()) < 1e-5


def test_fit_does_not_depend_on_scale_and_origin_of_features() -> None:
    features, labels = make_examples(1, 80, 6)
    plain = fit_logistic(features, labels, strength=0.1)
    moved = fit_logistic(features * 1e3 + 7, labels, strength=0.1)
    assert moved.weights * 1e3 == pytest.approx(plain.weights, rel=1e-4)
    logits = features @ plain.weights + plain.bias
    assert (features * 1e3 + 7) @ moved.weights + moved.bias == pytest.approx(logits, rel=1e-3)


def test_fit_of_separable_examples_stays_finite() -> None:
    features = np.array([[0.0], [1.0], [2.0], [3.0]])
    fit = fit_logistic(features, [False, False, True, True], strength=1e-4)
    assert fit.has_converged
    assert np.isfinite(fit.weights).all()
    assert 0 < fit.weights[0] < 100


def test_fit_of_more_features_than_examples_in_half_precision_is_good_on_others() -> None:
    features, labels = make_examples(4, 600, 800, signal=12.0)
    half = features.astype(np.float16)
    fit = fit_logistic(half[:300], labels[:300], strength=0.1)
    assert fit.has_converged
    assert roc_auc(labels[300:], features[300:] @ fit.weights + fit.bias) > 0.65


def test_fit_gives_both_classes_the_same_weight() -> None:
    random = np.random.default_rng(0)
    labels = np.zeros(1000, bool)
    labels[:50] = True
    features = random.normal(size=(1000, 3))
    fit = fit_logistic(features, labels, strength=10.0)
    assert abs(fit.bias) < 0.2


def test_feature_that_never_changes_has_no_weight() -> None:
    features, labels = make_examples(2, 40, 3)
    features[:, 1] = 4.0
    fit = fit_logistic(features, labels, strength=0.1)
    assert fit.weights[1] == 0
    assert np.isfinite(fit.bias)


@pytest.mark.parametrize(
    ("features", "labels", "strength"),
    [
        ([[1.0], [2.0]], [True, True], 1.0),
        ([[1.0], [np.inf]], [True, False], 1.0),
        ([[1.0], [2.0]], [True], 1.0),
        ([1.0, 2.0], [True, False], 1.0),
        ([[1.0], [2.0]], [True, False], 0.0),
    ],
)
def test_examples_that_cannot_train_are_rejected(
    features: list[object], labels: list[bool], strength: float
) -> None:
    with pytest.raises(TrainingImpossible):
        fit_logistic(features, labels, strength=strength)  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 8), min_size=3, max_size=50), st.integers(0, 3))
def test_folds_never_part_a_person(people: list[int], seed: int) -> None:
    names = [f"p{one}" for one in people]
    if len(set(names)) < 3:
        with pytest.raises(TrainingImpossible):
            assign_folds(names, 4, seed)
        return
    folds = assign_folds(names, 4, seed)
    homes = {
        name: {int(f) for f, n in zip(folds, names, strict=True) if n == name} for name in names
    }
    assert all(len(one) == 1 for one in homes.values())
    assert len(set(folds)) == min(4, len(set(names)))


def test_penalty_is_chosen_on_people_left_out() -> None:
    # Each person has a direction of its own by which their fakes differ: a weak penalty learns
    # these by heart, and they say nothing of others.
    random = np.random.default_rng(7)
    features, labels, names = [], [], []
    for person in range(16):
        own = random.normal(0, 1, 60)
        for is_fake in (False, True) * 6:
            row = random.normal(0, 1, 60) + own
            row[0] += 1.5 * is_fake
            features.append(row)
            labels.append(is_fake)
            names.append(f"p{person}")
    progress: list[float] = []
    fitted = fit_head(np.asarray(features), labels, names, seed=0, on_progress=progress.append)
    aucs = {trial.strength: trial.auc for trial in fitted.trials}
    assert aucs[fitted.strength] == max(aucs.values())
    assert aucs[fitted.strength] > 0.6
    assert roc_auc(labels, fitted.held_out_logits) > 0.6
    on_seen = roc_auc(labels, np.asarray(features) @ fitted.fit.weights)
    assert on_seen > roc_auc(labels, fitted.held_out_logits)
    assert progress == sorted(progress)
    assert progress[-1] == 1.0


def test_fit_is_the_same_for_the_same_seed() -> None:
    features, labels = make_examples(3, 60, 5)
    names = [f"p{n % 10}" for n in range(60)]
    first, second = (fit_head(features, [*labels], names, seed=4) for _ in range(2))
    assert np.allclose(first.fit.weights, second.fit.weights, rtol=1e-6, atol=1e-9)
    assert first.strength == second.strength


def test_fusion_gives_more_to_the_better_member_and_nothing_to_a_wrong_one() -> None:
    random = np.random.default_rng(0)
    labels = random.uniform(size=600) < 0.5
    good, poor = (random.normal(size=600) + gap * labels for gap in (2.5, 0.7))
    shares = fit_fusion_weights(np.stack([good, poor, -good], axis=1), [*labels])
    assert sum(shares) == pytest.approx(1.0)
    assert shares[0] > shares[1] > 0
    assert shares[2] == 0
    assert fit_fusion_weights(-np.stack([good, good], axis=1), [*labels]) == (0.5, 0.5)
