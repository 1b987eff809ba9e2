"""Projection that removes leading directions of the features of real faces.

The directions in which real faces differ most are who they are and how they are lit. A head that
uses them learns the people of its training data, and fails on others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_REMOVED = 512


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Directions that are removed, about the mean of real faces."""

    mean: NDArray[np.float32]
    """D numbers."""
    directions: NDArray[np.float32]
    """k × D, orthonormal rows."""

    @property
    def removed(self) -> int:
        return len(self.directions)

    def apply(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the features without their part along the directions."""
        rows = np.asarray(features, np.float64)
        directions = self.directions.astype(np.float64)
        return rows - ((rows - self.mean) @ directions.T) @ directions


def fit_projection(features: NDArray[np.floating], removed: int) -> Projection:
    """Return the projection that removes the leading directions of these features of real faces.

    Raises ValueError for more directions than the features have, or numbers that are not finite.
    """
    rows = np.asarray(features, np.float64)
    if rows.ndim != 2 or len(rows) < 2 or not np.isfinite(rows).all():
        raise ValueError("features must be at least two rows of finite numbers")
    if not 1 <= removed <= min(len(rows) - 1, rows.shape[1], MOST_REMOVED):
        raise ValueError(f"{removed} directions cannot be removed from features {rows.shape}")
    mean = rows.mean(axis=0)
    _, _, directions = np.linalg.svd(rows - mean, full_matrices=False)
    return Projection(mean.astype(np.float32), directions[:removed].astype(np.float32))
