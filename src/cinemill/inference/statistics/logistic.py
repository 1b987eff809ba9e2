"""Logistic regression by a truncated Newton method, for features of thousands of dimensions.

Its only needs are products with the feature matrix: no Hessian of 2,560 × 2,560 numbers is built,
and no library of 40 MB is installed for it. The problem is strictly convex, so that the result is
the one optimum and does not depend on a seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cinemill.errors import InputRejected

Vector = NDArray[np.float64]
Matrix = NDArray[np.floating[Any]]

MOST_ITERATIONS = 200
_MOST_INNER_ITERATIONS = 100
_GRADIENT_TOLERANCE = 1e-6
_SUFFICIENT_DECREASE = 1e-4
_MOST_HALVINGS = 40
_BLOCK_ROWS = 1024


class TrainingImpossible(InputRejected):
    """These examples cannot train a model."""

    code = "training_impossible"
    hint = (
        "Train on examples of both classes with finite features; a detection head needs those of "
        "at least three people."
    )


@dataclass(frozen=True, slots=True, eq=False)
class LogisticFit:
    """``features @ weights + bias`` is the logit of the positive class."""

    weights: Vector
    bias: float
    iterations: int
    has_converged: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """Features with mean 0 and deviation 1, without making a copy of them."""

    features: Matrix
    signs: Vector
    example_weights: Vector
    mean: Vector
    deviation: Vector
    strength: float

    def logits(self, point: Vector) -> Vector:
        scaled = point[:-1] / self.deviation
        product = self.features @ scaled.astype(self.features.dtype)
        shifted: Vector = np.asarray(product, np.float64) - self.mean @ scaled + point[-1]
        return shifted

    def transposed(self, values: Vector) -> Vector:
        product = np.asarray(self.features.T @ values.astype(self.features.dtype), np.float64)
        total = values.sum()
        return np.append((product - self.mean * total) / self.deviation, total)

    def ridge(self, point: Vector) -> Vector:
        """Return the gradient of the penalty, which spares the bias."""
        return np.append(self.strength * point[:-1], 0.0)

    def loss(self, logits: Vector, point: Vector) -> float:
        losses = np.logaddexp(0, -self.signs * logits)
        penalty = 0.5 * self.strength * float(point[:-1] @ point[:-1])
        return float(self.example_weights @ losses) + penalty


def fit_logistic(
    features: ArrayLike,
    is_positive: ArrayLike,
    *,
    strength: float,
    example_weights: ArrayLike | None = None,
) -> LogisticFit:
    """Fit a linear head that separates two classes.

    ``strength`` is the ridge penalty on weights of standardized features, relative to a mean loss
    of one; both classes weigh the same unless ``example_weights`` are given. Raises
    TrainingImpossible if a class is missing or a feature is not finite.
    """
    problem = _prepare(features, is_positive, strength, example_weights)
    point = np.zeros(problem.features.shape[1] + 1)
    logits = problem.logits(point)
    first_norm = 0.0
    for iteration in range(MOST_ITERATIONS):
        gradient, curvature = _derive(problem, logits, point)
        norm = float(np.linalg.norm(gradient))
        first_norm = first_norm or norm
        if norm <= _GRADIENT_TOLERANCE * max(first_norm, 1e-12):
            return _unscale(problem, point, iteration, has_converged=True)
        step = _solve(problem, gradient, curvature)
        moved = _search_line(problem, point, logits, gradient, step)
        if moved is None:
            # No number nearby is lower: rounding of the features' type ends it.
            return _unscale(problem, point, iteration, has_converged=norm <= 1e-3 * first_norm)
        point, logits = moved
    return _unscale(problem, point, MOST_ITERATIONS, has_converged=False)


def _prepare(
    features: ArrayLike, is_positive: ArrayLike, strength: float, example_weights: ArrayLike | None
) -> _Problem:
    rows = np.asarray(features)
    if rows.dtype not in (np.float32, np.float64):
        rows = rows.astype(np.float32)
    labels = np.asarray(is_positive, bool)
    if rows.ndim != 2 or labels.shape != (len(rows),) or labels.all() or not labels.any():
        raise TrainingImpossible(
            "A model is trained on a row of features for each example, of two classes."
        )
    if strength <= 0:
        raise TrainingImpossible("The strength of the penalty must be above 0.")
    mean, deviation = _measure_columns(rows)
    # A feature that never changes carries nothing; its weight stays 0.
    deviation[deviation < 1e-12] = np.inf
    weights = _balance(labels) if example_weights is None else np.asarray(example_weights, float)
    signs = np.where(labels, 1.0, -1.0)
    return _Problem(rows, signs, weights / weights.sum(), mean, deviation, strength)


def _measure_columns(rows: Matrix) -> tuple[Vector, Vector]:
    """Return means and deviations, block by block: a double-precision copy would not fit."""
    blocks = [rows[start : start + _BLOCK_ROWS] for start in range(0, len(rows), _BLOCK_ROWS)]
    if not all(np.isfinite(block).all() for block in blocks):
        raise TrainingImpossible("A feature is not a finite number.")
    total = np.zeros(rows.shape[1])
    squares = np.zeros(rows.shape[1])
    for block in blocks:
        total += block.sum(axis=0, dtype=np.float64)
    mean = total / len(rows)
    for block in blocks:
        squares += ((block - mean) ** 2).sum(axis=0)
    return mean, np.sqrt(squares / len(rows))


def _balance(labels: NDArray[np.bool_]) -> Vector:
    weights: Vector = np.where(labels, 1 / labels.sum(), 1 / (~labels).sum())
    return weights


def _derive(problem: _Problem, logits: Vector, point: Vector) -> tuple[Vector, Vector]:
    """Return the gradient, and the curvature of each example."""
    fitting = 1 / (1 + np.exp(np.clip(-logits, -500, 500)))
    residual = problem.example_weights * (fitting - (problem.signs > 0))
    gradient = problem.transposed(residual) + problem.ridge(point)
    return gradient, problem.example_weights * fitting * (1 - fitting)


def _solve(problem: _Problem, gradient: Vector, curvature: Vector) -> Vector:
    """Return a Newton step by conjugate gradients, the more exact the nearer the end is."""
    step = np.zeros_like(gradient)
    residual = -gradient
    direction = residual.copy()
    square = float(residual @ residual)
    enough = min(0.5, square**0.25) ** 2 * square
    for _ in range(_MOST_INNER_ITERATIONS):
        product = problem.transposed(curvature * problem.logits(direction))
        product += problem.ridge(direction)
        bend = float(direction @ product)
        if bend <= 0:
            break
        length = square / bend
        step += length * direction
        residual -= length * product
        following = float(residual @ residual)
        if following <= enough:
            break
        direction = residual + following / square * direction
        square = following
    return step if step.any() else -gradient


def _search_line(
    problem: _Problem, point: Vector, logits: Vector, gradient: Vector, step: Vector
) -> tuple[Vector, Vector] | None:
    """Return the first of ever shorter steps that lowers the loss enough, or None."""
    start, slope = problem.loss(logits, point), float(gradient @ step)
    change = problem.logits(step)
    length = 1.0
    for _ in range(_MOST_HALVINGS):
        moved, moved_logits = point + length * step, logits + length * change
        if problem.loss(moved_logits, moved) <= start + _SUFFICIENT_DECREASE * length * slope:
            return moved, moved_logits
        length /= 2
    return None


def _unscale(
    problem: _Problem, point: Vector, iterations: int, *, has_converged: bool
) -> LogisticFit:
    weights = point[:-1] / problem.deviation
    bias = float(point[-1] - problem.mean @ weights)
    return LogisticFit(weights, bias, iterations, has_converged)
