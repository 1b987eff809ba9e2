"""Distance of faces from the training data, in the space of a head's features.

It is a Mahalanobis distance with a shrunken covariance: the leading directions of the training
features keep their variances, and all others share one (probabilistic PCA, Tipping and Bishop
1999). Nearest neighbours would need the training features themselves: several megabytes, and
features of people's faces in a file that is passed on. Here mean, directions and variances suffice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]

MOST_DIRECTIONS = 32
_LEAST_VARIANCE = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class DistanceReference:
    """What the training features look like."""

    mean: Floats
    """D numbers."""
    directions: Floats
    """k × D, orthonormal rows."""
    variances: Floats
    """k numbers: the variance along each direction."""
    residual_variance: float
    """Mean variance along each of the other directions; 0 if there are no others."""

    @property
    def dimension(self) -> int:
        return int(self.mean.size)

    def measure(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return a distance for each row: about 1 for training data, more the further away.

        Both parts count the same, the one along the leading directions and the one off them: the
        plain sum would be all residual, since there are thousands of other directions.
        """
        centered = np.asarray(features, np.float64) - self.mean
        along = centered @ self.directions.T.astype(np.float64)
        parts = [np.mean(along**2 / self.variances, axis=1)] if self.variances.size else []
        others = self.dimension - self.variances.size
        if others:
            off = np.maximum(np.sum(centered**2, axis=1) - np.sum(along**2, axis=1), 0.0)
            parts.append(off / (others * self.residual_variance))
        squared: NDArray[np.float64] = np.mean(parts, axis=0)
        return np.sqrt(squared)


def fit_distance(
    features: NDArray[np.floating], *, most_directions: int = MOST_DIRECTIONS
) -> DistanceReference:
    """Return the reference for training features, one row for each face.

    The variances are those of the training data, which fit them too well. So limits come from
    calibration videos, never from this. Raises ValueError for fewer than two rows or numbers that
    are not finite.
    """
    rows = np.asarray(features, np.float64)
    if rows.ndim != 2 or len(rows) < 2 or not np.isfinite(rows).all():
        raise ValueError("features must be at least two rows of finite numbers")
    mean = rows.mean(axis=0)
    _, singular, directions = np.linalg.svd(rows - mean, full_matrices=False)
    variances = singular**2 / (len(rows) - 1)
    kept = min(most_directions, len(rows) - 1, rows.shape[1])
    others = rows.shape[1] - kept
    residual = max(float(variances[kept:].sum()) / others, _LEAST_VARIANCE) if others else 0.0
    return DistanceReference(
        mean=mean.astype(np.float32),
        directions=directions[:kept].astype(np.float32),
        variances=np.maximum(variances[:kept], max(residual, _LEAST_VARIANCE)).astype(np.float32),
        residual_variance=float(np.float32(residual)),
    )


def summarize_distances(distances: ArrayLike) -> float:
    """Return a video's distance: the median of its faces. Raises ValueError without any."""
    array = np.asarray(distances, np.float64)
    if not array.size:
        raise ValueError("there are no distances")
    return float(np.median(array))
