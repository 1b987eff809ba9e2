"""Temperature and midpoint: the map from a logit to a calibrated probability (Platt, 1999)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cinemill.errors import InputRejected

MOST_ITERATIONS = 100
_LEAST_STEP = 1e-10
_RIDGE = 1e-9


class Scaling(NamedTuple):
    """``probability = sigmoid((logit - midpoint) / temperature)``."""

    temperature: float
    midpoint: float

    def probability(self, logit: float) -> float:
        return sigmoid((logit - self.midpoint) / self.temperature)


def sigmoid(value: float) -> float:
    """Return ``1 / (1 + exp(-value))`` without overflow."""
    if value >= 0:
        return 1 / (1 + math.exp(-value))
    power = math.exp(value)
    return power / (1 + power)


def fit_scaling(
    logits: ArrayLike, is_manipulated: ArrayLike, weights: ArrayLike | None = None
) -> Scaling:
    """Fit temperature and midpoint; a probability of 0.5 means both classes are equally likely.

    Both classes weigh the same, however many videos each has, so the probability holds where as
    many videos are manipulated as are not. Targets are smoothed as Platt did, so few or perfectly
    separated scores give no certainty.

    Raises InputRejected: ``calibration_classes`` without both classes, ``calibration_useless`` if
    the scores do not rise from unmanipulated to manipulated videos.
    """
    x = np.asarray(logits, np.float64).ravel()
    labels = np.asarray(is_manipulated, bool).ravel()
    shares = np.ones_like(x) if weights is None else np.asarray(weights, np.float64).ravel()
    counts = float(shares[labels].sum()), float(shares[~labels].sum())
    if min(counts) <= 0:
        raise InputRejected(
            "Calibration needs both manipulated and unmanipulated videos.",
            code="calibration_classes",
            hint="Add videos of the class that is missing.",
        )
    targets = np.where(labels, (counts[0] + 1) / (counts[0] + 2), 1 / (counts[1] + 2))
    balanced = shares * np.where(labels, 0.5 / counts[0], 0.5 / counts[1])
    center = float(np.average(x, weights=balanced))
    spread = float(np.sqrt(np.average((x - center) ** 2, weights=balanced))) or 1.0
    slope, offset = _fit_logistic((x - center) / spread, targets, balanced)
    # No rise at all is a slope of rounding errors.
    if slope < 1e-6:
        raise InputRejected(
            "The detector scores manipulated videos no higher than unmanipulated ones, so it "
            "cannot be calibrated on these videos.",
            code="calibration_useless",
            hint="Check the labels of the videos, or train a head on data like these.",
        )
    return Scaling(temperature=spread / slope, midpoint=center - offset * spread / slope)


def _fit_logistic(
    x: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[float, float]:
    """Return (slope, offset) of the least weighted cross-entropy, by Newton with backtracking."""
    design = np.stack([x, np.ones_like(x)], axis=1)
    at = np.zeros(2)
    loss = _cross_entropy(design @ at, targets, weights)
    for _ in range(MOST_ITERATIONS):
        predicted = 1 / (1 + np.exp(-np.clip(design @ at, -700, 700)))
        gradient = design.T @ (weights * (predicted - targets))
        curvature = design.T @ ((weights * predicted * (1 - predicted))[:, None] * design)
        step = np.asarray(np.linalg.solve(curvature + _RIDGE * np.eye(2), gradient), np.float64)
        at, improved = _search_line(at, step, loss, design, targets, weights)
        if loss - improved < _LEAST_STEP * 1e-4 and np.abs(step).max() < 1e-6:
            break
        loss = improved
    return float(at[0]), float(at[1])


def _search_line(
    at: NDArray[np.float64],
    step: NDArray[np.float64],
    loss: float,
    design: NDArray[np.float64],
    targets: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float]:
    """Return the first of ever smaller steps that does not raise the loss, and its loss."""
    length = 1.0
    while length > _LEAST_STEP:
        moved = at - length * step
        found = _cross_entropy(design @ moved, targets, weights)
        if found <= loss:
            return moved, found
        length /= 2
    return at, loss


def _cross_entropy(
    logits: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64]
) -> float:
    return float(np.sum(weights * (np.logaddexp(0, logits) - targets * logits)))
