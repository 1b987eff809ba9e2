"""Heads: logistic regression on the features of a frozen model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cinemill.capabilities.detection.ensemble.features import Features, FeatureSpace
from cinemill.capabilities.detection.ensemble.projection import Projection
from cinemill.capabilities.detection.ensemble.training_statement import Grade, TrainingStatement
from cinemill.capabilities.detection.verdict.calibration import Calibration
from cinemill.capabilities.detection.verdict.distance import DistanceReference

Tensors = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Rescaling:
    """How the logits of a head were changed so that they can be fused with those of others."""

    midpoint: float
    """Logit of the head as it is stored that becomes 0."""
    temperature: float
    """Logits are divided by it."""
    stored_digest: str
    """Digest of the head as it is stored."""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A trained head. A detector that returns a logit itself has one with the weight 1."""

    name: str
    grade: Grade
    space: FeatureSpace
    weights: NDArray[np.float32]
    """D numbers."""
    bias: float
    temperature: float
    training: TrainingStatement
    projection: Projection | None = None
    distance: DistanceReference | None = None
    """None if nothing is known about the training features."""
    calibration: Calibration | None = None
    """For this head alone; an ensemble has one of its own."""
    rescaling: Rescaling | None = None
    """None for a head as it is stored."""

    def score(self, features: Features) -> NDArray[np.float64]:
        """Return a logit for each row of joined features; positive speaks for a manipulation."""
        rows = self._project(features)
        logits: NDArray[np.float64] = rows @ self.weights.astype(np.float64) + self.bias
        return logits / self.temperature

    def rescale(self, midpoint: float, temperature: float) -> Head:
        """Return the head whose logits are ``(logit - midpoint) / temperature`` of this one's."""
        return replace(
            self,
            bias=self.bias - midpoint * self.temperature,
            temperature=self.temperature * temperature,
            rescaling=Rescaling(midpoint, temperature, self.digest),
        )

    def measure_distances(self, features: Features) -> NDArray[np.float64] | None:
        """Return how far each row is from the training features; None if nobody knows."""
        return None if self.distance is None else self.distance.measure(self._project(features))

    def _project(self, features: Features) -> NDArray[np.float64]:
        rows = np.asarray(features, np.float64)
        return rows if self.projection is None else self.projection.apply(rows)

    @property
    def tensors(self) -> Tensors:
        """Return all arrays of the head by name."""
        found: Tensors = {"weights": self.weights}
        if self.projection is not None:
            found["projection.mean"] = self.projection.mean
            found["projection.directions"] = self.projection.directions
        if self.distance is not None:
            found["distance.mean"] = self.distance.mean
            found["distance.directions"] = self.distance.directions
            found["distance.variances"] = self.distance.variances
        return found

    @property
    def digest(self) -> str:
        """Return a SHA-256 in hex of everything that its scores and distances depend on.

        Neither the calibration nor the name changes it.
        """
        residual = 0.0 if self.distance is None else self.distance.residual_variance
        numbers = (self.bias, self.temperature, residual)
        return digest_head(self.space, numbers, self.tensors)

    @property
    def stored_digest(self) -> str:
        """Return the digest of the head as it is stored, before any rescaling."""
        return self.digest if self.rescaling is None else self.rescaling.stored_digest


def digest_head(
    space: FeatureSpace, numbers: tuple[float, ...], tensors: Mapping[str, NDArray[np.float32]]
) -> str:
    """Return the SHA-256 of a feature space, numbers and arrays, the same on every machine."""
    digest = hashlib.sha256(space.model_dump_json().encode())
    digest.update("\n".join(["", *(number.hex() for number in numbers), ""]).encode())
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name], dtype="<f4")
        digest.update(f"{name} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
