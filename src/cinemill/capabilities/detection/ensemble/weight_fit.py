"""Weights of members that were fitted to videos whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cinemill.errors import InputRejected

MOST_ITERATIONS = 2_000
_LEAST_GAIN = 1e-12


def fit_weights(logits: Mapping[str, ArrayLike], is_manipulated: ArrayLike) -> dict[str, float]:
    """Return the weights with which the fused logit has the least cross-entropy.

    They are at least 0 and add up to 1; both classes weigh the same. It is logistic regression
    on the members' logits without negative coefficients, so a member is left out rather than used
    upside down.

    Raises InputRejected: ``calibration_classes`` without both classes, ``calibration_useless`` if
    no member separates them.
    """
    names = sorted(logits)
    columns = np.stack([np.asarray(logits[name], np.float64) for name in names], axis=1)
    labels = np.asarray(is_manipulated, bool)
    if labels.all() or not labels.any():
        raise InputRejected(
            "Weights can be fitted only to both manipulated and unmanipulated videos.",
            code="calibration_classes",
        )
    spread = float(columns.std()) or 1.0
    coefficients = _descend((columns - columns.mean(axis=0)) / spread, labels)
    if coefficients.sum() < 1e-6:
        raise InputRejected(
            "No member scores manipulated videos higher than unmanipulated ones.",
            code="calibration_useless",
        )
    weights = coefficients / coefficients.sum()
    return {name: float(weight) for name, weight in zip(names, weights, strict=True)}


def _descend(columns: NDArray[np.float64], labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the coefficients of least loss, by projected gradient with backtracking."""
    shares = np.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum())
    design = np.concatenate([columns, np.ones((len(columns), 1))], axis=1)
    lower = np.append(np.zeros(columns.shape[1]), -np.inf)
    at, step = np.zeros(design.shape[1]), 1.0
    loss, gradient = _measure(design, labels, shares, at)
    for _ in range(MOST_ITERATIONS):
        moved = np.maximum(at - step * gradient, lower)
        change = moved - at
        found, steepness = _measure(design, labels, shares, moved)
        if found > loss + gradient @ change + change @ change / (2 * step) + _LEAST_GAIN:
            step /= 2
            continue
        gain, at, loss, gradient, step = loss - found, moved, found, steepness, step * 1.2
        if gain < _LEAST_GAIN:
            break
    return at[:-1]


def _measure(
    design: NDArray[np.float64],
    labels: NDArray[np.bool_],
    shares: NDArray[np.float64],
    at: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """Return loss and gradient, with a little ridge so that separated classes have a minimum."""
    ridge = 1e-4
    logits = design @ at
    loss = float(np.sum(shares * (np.logaddexp(0, logits) - labels * logits)))
    errors = shares * (1 / (1 + np.exp(-np.clip(logits, -700, 700))) - labels)
    return loss + ridge / 2 * float(at @ at), design.T @ errors + ridge * at
