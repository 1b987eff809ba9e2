"""How well scores rank fakes above reals: AUC, average precision, EER and rates at thresholds.

A score is a number that is higher the more likely a video is fake. Equal
scores are never distinguished: whatever order they come in, the figures are the same. Every figure
accepts weights, by which a bootstrap counts a video several times without copying it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cinemill.errors import InputRejected

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RankingFigures:
    """Figures of one set of scores, each from 0 to 1."""

    auc: float
    average_precision: float
    equal_error_rate: float
    tpr_at_1_percent_fpr: float
    tpr_at_5_percent_fpr: float


class UnmeasurableScores(InputRejected):
    """Scores from which no figure can be computed: of one class only, or not finite."""

    code = "scores_unmeasurable"
    hint = "Evaluate on at least one real and one fake video that has a usable face."


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTable:
    """Scores sorted downwards and grouped by equal values, so that weights can be exchanged."""

    order: NDArray[np.intp]
    group_ends: NDArray[np.intp]
    """Position of the last row of each group of equal scores."""
    is_fake: NDArray[np.bool_]
    """In the sorted order."""
    thresholds: Numbers
    """The score of each group, downwards."""

    def counts(self, weights: ArrayLike | None = None) -> tuple[Numbers, Numbers]:
        """Return the weight of fakes and of reals at or above each threshold.

        Raises UnmeasurableScores if either class has no weight.
        """
        rows = len(self.order)
        weight = np.ones(rows) if weights is None else np.asarray(weights, float)[self.order]
        fakes = np.cumsum(np.where(self.is_fake, weight, 0.0))[self.group_ends]
        reals = np.cumsum(np.where(self.is_fake, 0.0, weight))[self.group_ends]
        if not rows or fakes[-1] <= 0 or reals[-1] <= 0:
            raise UnmeasurableScores("A real and a fake video are needed; only one kind is there.")
        return fakes, reals


def tabulate_scores(is_fake: ArrayLike, scores: ArrayLike) -> ScoreTable:
    """Sort scores for the figures below.

    Raises UnmeasurableScores if a score is not finite or the lengths differ.
    """
    labels = np.asarray(is_fake, bool)
    values = np.asarray(scores, float)
    if labels.ndim != 1 or labels.shape != values.shape:
        raise UnmeasurableScores(f"{labels.size} labels do not match {values.size} scores.")
    if not np.isfinite(values).all():
        raise UnmeasurableScores("A score is not a finite number.")
    order = np.argsort(-values, kind="stable")
    ordered = values[order]
    group_ends = np.flatnonzero(np.append(np.diff(ordered) != 0, len(ordered) > 0))
    return ScoreTable(order, group_ends, labels[order], ordered[group_ends])


def measure_ranking(table: ScoreTable, weights: ArrayLike | None = None) -> RankingFigures:
    """Return all figures of these scores. Raises UnmeasurableScores if a class is missing."""
    fakes, reals = table.counts(weights)
    return RankingFigures(
        auc=_auc(fakes, reals),
        average_precision=_average_precision(fakes, reals),
        equal_error_rate=_equal_error_rate(fakes, reals),
        tpr_at_1_percent_fpr=_tpr_at(fakes, reals, 0.01),
        tpr_at_5_percent_fpr=_tpr_at(fakes, reals, 0.05),
    )


def roc_auc(is_fake: ArrayLike, scores: ArrayLike) -> float:
    """Return the probability that a fake scores higher than a real; a tie counts half."""
    return _auc(*tabulate_scores(is_fake, scores).counts())


def tpr_at_fpr(is_fake: ArrayLike, scores: ArrayLike, fpr: float) -> float:
    """Return the share of fakes found at the best threshold that flags at most ``fpr`` of reals."""
    return _tpr_at(*tabulate_scores(is_fake, scores).counts(), fpr)


def _auc(fakes: Numbers, reals: Numbers) -> float:
    tpr = np.concatenate(([0.0], fakes / fakes[-1]))
    fpr = np.concatenate(([0.0], reals / reals[-1]))
    return float(np.clip(np.trapezoid(tpr, fpr), 0, 1))


def _average_precision(fakes: Numbers, reals: Numbers) -> float:
    recall_steps = np.diff(np.concatenate(([0.0], fakes))) / fakes[-1]
    flagged = fakes + reals
    precision = np.divide(fakes, flagged, out=np.zeros_like(fakes), where=flagged > 0)
    return float(np.clip(np.sum(recall_steps * precision), 0, 1))


def _equal_error_rate(fakes: Numbers, reals: Numbers) -> float:
    """Return where missed fakes equal flagged reals, on straight lines between thresholds."""
    fpr = np.concatenate(([0.0], reals / reals[-1]))
    fnr = 1 - np.concatenate(([0.0], fakes / fakes[-1]))
    after = int(np.argmax(fpr >= fnr))
    gap_before, gap_after = fnr[after - 1] - fpr[after - 1], fpr[after] - fnr[after]
    share = gap_before / (gap_before + gap_after)
    return float(np.clip(fpr[after - 1] + share * (fpr[after] - fpr[after - 1]), 0, 1))


def _tpr_at(fakes: Numbers, reals: Numbers, most_fpr: float) -> float:
    # Sums of weights are rarely exact: half of a millionth of a video is no false alarm.
    passing = np.flatnonzero(reals <= most_fpr * reals[-1] + 1e-9 * reals[-1])
    return float(fakes[passing[-1]] / fakes[-1]) if len(passing) else 0.0
