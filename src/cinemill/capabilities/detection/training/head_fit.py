"""The fit of a head: the penalty that does best on people left out, then all examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinemill.capabilities.detection.evaluation.ranking import UnmeasurableScores, roc_auc
from cinemill.capabilities.detection.training.randomness import item_random
from cinemill.inference.statistics.logistic import (
    LogisticFit,
    Matrix,
    TrainingImpossible,
    fit_logistic,
)

STRENGTHS = (1.0, 0.1, 0.01, 0.001)
FOLDS = 4


@dataclass(frozen=True, slots=True)
class StrengthTrial:
    """A penalty, and the AUC on people who were left out."""

    strength: float
    auc: float
    """Mean over the folds."""


@dataclass(frozen=True, slots=True, eq=False)
class HeadFit:
    """A head's weights, and how its penalty was chosen."""

    fit: LogisticFit
    strength: float
    trials: tuple[StrengthTrial, ...]
    held_out_logits: NDArray[np.float64]
    """For each example the logit of a head that had not seen its person: what a temperature and
    thresholds may be fitted on."""


def fit_head(
    features: Matrix,
    is_fake: Sequence[bool],
    identities: Sequence[str],
    *,
    seed: int,
    strengths: Sequence[float] = STRENGTHS,
    on_progress: Callable[[float], None] = lambda _share: None,
) -> HeadFit:
    """Fit a head; examples of one person are never on both sides of a fold.

    Among penalties whose AUC is equal the strongest wins. Raises TrainingImpossible with fewer than
    three people, or if no fold holds reals and fakes.
    """
    labels = np.asarray(is_fake, bool)
    folds = assign_folds(identities, FOLDS, seed)
    trials: list[StrengthTrial] = []
    logits: dict[float, NDArray[np.float64]] = {}
    for number, strength in enumerate(sorted(strengths, reverse=True)):
        logits[strength] = _hold_out(features, labels, folds, strength)
        trials.append(StrengthTrial(strength, _mean_auc(labels, logits[strength], folds)))
        on_progress((number + 1) / (len(strengths) + 1))
    best = max(trials, key=lambda trial: trial.auc).strength
    fit = fit_logistic(features, labels, strength=best)
    on_progress(1.0)
    return HeadFit(fit, best, tuple(trials), logits[best])


def assign_folds(identities: Sequence[str], most_folds: int, seed: int) -> NDArray[np.intp]:
    """Return a fold for each example, with about as many people in each.

    Raises TrainingImpossible with fewer than three people.
    """
    names, rows = np.unique(np.asarray(identities, str), return_inverse=True)
    if len(names) < 3:
        raise TrainingImpossible(f"{len(names)} people are too few to hold some of them out.")
    order = item_random(seed, "folds").permutation(len(names))
    fold_of_person = np.empty(len(names), np.intp)
    fold_of_person[order] = np.arange(len(names)) % min(most_folds, len(names))
    assigned: NDArray[np.intp] = fold_of_person[rows]
    return assigned


def fit_fusion_weights(
    member_logits: Matrix, is_fake: Sequence[bool], strength: float = 1e-3
) -> tuple[float, ...]:
    """Return the share of each member's logit in the fused one; shares sum to 1.

    ``member_logits`` has a column for each member, of examples that none was trained on. A member
    that would count against the others gets 0; if all would, they share alike.
    """
    fit = fit_logistic(member_logits, is_fake, strength=strength)
    useful = np.clip(fit.weights, 0, None)
    total = float(useful.sum())
    if total <= 0:
        return (1 / len(useful),) * len(useful)
    return tuple(float(one) / total for one in useful)


def _hold_out(
    features: Matrix, labels: NDArray[np.bool_], folds: NDArray[np.intp], strength: float
) -> NDArray[np.float64]:
    logits = np.zeros(len(labels))
    for fold in np.unique(folds):
        left_out = folds == fold
        fit = fit_logistic(features[~left_out], labels[~left_out], strength=strength)
        logits[left_out] = features[left_out] @ fit.weights + fit.bias
    return logits


def _mean_auc(
    labels: NDArray[np.bool_], logits: NDArray[np.float64], folds: NDArray[np.intp]
) -> float:
    aucs = []
    for fold in np.unique(folds):
        rows = folds == fold
        try:
            aucs.append(roc_auc(labels[rows], logits[rows]))
        except UnmeasurableScores:
            continue
    if not aucs:
        raise TrainingImpossible("No group of people has both reals and fakes to measure on.")
    return float(np.mean(aucs))
