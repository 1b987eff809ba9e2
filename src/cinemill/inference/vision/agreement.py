"""How far two versions of a model agree about which pictures are alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 10

Vectors = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Figures of two versions on the same pictures; 1 is perfect."""

    retrieval: float
    """Share of the nearest pictures by one version that the other finds as well."""
    cosine: float
    """Mean cosine of the two vectors of a picture. Flatters: see the decision record."""


def measure_agreement(exact: Vectors, approximate: Vectors) -> Agreement:
    """Compare the vectors of the same pictures, one a row, by two versions of a model.

    For each picture, the ten nearest others by cosine are listed with either version's vectors; a
    neighbour counts as found if, with the exact vectors, it is as near as the tenth or its distance
    differs from it by no more than one in a thousand: neighbouring frames of a video are
    interchangeable. Raises ValueError for fewer than 12 pictures.
    """
    if len(exact) != len(approximate) or len(exact) < NEIGHBOURS + 2:
        raise ValueError(f"at least {NEIGHBOURS + 2} pictures are needed, not {len(exact)}")
    left, right = _normalize(exact), _normalize(approximate)
    truth, found = left @ left.T, right @ right.T
    np.fill_diagonal(truth, -np.inf)
    np.fill_diagonal(found, -np.inf)
    tenth = np.sort(truth, axis=1)[:, -NEIGHBOURS]
    nearest = np.argsort(found, axis=1)[:, -NEIGHBOURS:]
    similarities = np.take_along_axis(truth, nearest, axis=1)
    hits = similarities >= tenth[:, None] - 1e-3
    return Agreement(float(hits.mean()), float((left * right).sum(axis=1).mean()))


def _normalize(vectors: Vectors) -> NDArray[np.float64]:
    doubles = vectors.astype(np.float64)
    lengths = np.linalg.norm(doubles, axis=1, keepdims=True)
    unit: NDArray[np.float64] = doubles / np.maximum(lengths, 1e-12)
    return unit
