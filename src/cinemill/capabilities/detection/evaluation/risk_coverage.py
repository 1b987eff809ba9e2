"""What abstaining buys: the error rate among the videos that still get a verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cinemill.capabilities.detection.evaluation.ranking import UnmeasurableScores


@dataclass(frozen=True, slots=True)
class RiskPoint:
    """The share of videos with at least this confidence, and the errors among them."""

    confidence: float
    coverage: float
    risk: float


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """The curve from the surest video to all of them."""

    points: tuple[RiskPoint, ...]
    area: float
    """Mean risk over all coverages; lower is better. Random abstention gives the overall risk."""

    def coverage_at(self, most_risk: float) -> float:
        """Return the largest coverage with at most this share of wrong verdicts; 0 if none."""
        return max((p.coverage for p in self.points if p.risk <= most_risk + 1e-12), default=0.0)


def measure_risk_coverage(
    is_wrong: ArrayLike, confidences: ArrayLike, weights: ArrayLike | None = None
) -> RiskCoverage:
    """Draw the curve of errors over coverage. Videos of equal confidence enter together.

    Coverage and risk are shares of the ``weights``; without them, all videos weigh the same.
    Raises UnmeasurableScores if there is no video, or a confidence is not finite.
    """
    wrong = np.asarray(is_wrong, float)
    sure = np.asarray(confidences, float)
    if not len(sure) or wrong.shape != sure.shape or not np.isfinite(sure).all():
        raise UnmeasurableScores("There is no finite confidence for each video.")
    weight = np.ones_like(sure) if weights is None else np.asarray(weights, float)
    order = np.argsort(-sure, kind="stable")
    ordered = sure[order]
    ends = np.flatnonzero(np.append(np.diff(ordered) != 0, True))
    errors = np.cumsum((wrong * weight)[order])[ends]
    kept = np.cumsum(weight[order])[ends]
    covered = kept / kept[-1]
    risks = errors / kept
    points = tuple(
        RiskPoint(float(ordered[end]), float(coverage), float(risk))
        for end, coverage, risk in zip(ends, covered, risks, strict=True)
    )
    area = float(np.sum(np.diff(np.concatenate(([0.0], covered))) * risks))
    return RiskCoverage(points, area)
