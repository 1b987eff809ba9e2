"""Conformal p-values with exact finite-sample guarantees, also for groups of dependent scores.

Scores of one group (a person, a source video) are not independent. Each group therefore weighs the
same, however many scores it has: Lee, Barber and Willett, "Distribution-free inference with
hierarchical data" (2023). With one score for each group it is ordinary split conformal prediction.

For a new score of a new group, where the groups are exchangeable,
``P(p_value <= rate) <= rate`` for each rate. It holds for data like the calibration data only.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Sequence

from pydantic import Field, model_validator

from cinemill.core.files.strict_model import StrictModel

MOST_SCORES = 100_000
_ROUNDING = 1e-9
"""Sums of thirds are not exact; at a tie the p-value counts as equal to the rate."""


class GroupScores(StrictModel):
    """Calibration scores in ascending order, and what each of them weighs.

    The weights of a group add up to 1.
    """

    scores: tuple[float, ...] = Field(max_length=MOST_SCORES)
    weights: tuple[float, ...] = Field(max_length=MOST_SCORES)
    groups: int = Field(ge=0, le=MOST_SCORES)

    @model_validator(mode="after")
    def _check(self) -> GroupScores:
        if len(self.scores) != len(self.weights):
            raise ValueError("there must be as many weights as scores")
        if list(self.scores) != sorted(self.scores):
            raise ValueError("scores must be in ascending order")
        if any(not 0 < weight <= 1 for weight in self.weights):
            raise ValueError("weights must be over 0 and at most 1")
        if not math.isclose(math.fsum(self.weights), self.groups, abs_tol=1e-6):
            raise ValueError("the weights of each group must add up to 1")
        return self

    @property
    def least_p_value(self) -> float:
        """The smallest p-value that so many groups can give."""
        return 1 / (self.groups + 1)

    def p_value_of_high(self, score: float) -> float:
        """Return the p-value of a score against the scores that are at least as high, 0 to 1."""
        at = bisect_left(self.scores, score)
        return self._p_value(math.fsum(self.weights[at:]))

    def p_value_of_low(self, score: float) -> float:
        """Return the p-value of a score against the scores that are at most as high, 0 to 1."""
        at = bisect_right(self.scores, score)
        return self._p_value(math.fsum(self.weights[:at]))

    def find_upper_limit(self, rate: float) -> float:
        """Return the limit over which a score is rejected; infinite for too few groups."""
        over = 0.0
        if not is_rejected(self._p_value(over), rate):
            return math.inf
        for score, weight in zip(reversed(self.scores), reversed(self.weights), strict=True):
            over += weight
            if not is_rejected(self._p_value(over), rate):
                return score
        return -math.inf

    def find_lower_limit(self, rate: float) -> float:
        """Return the limit below which a score is rejected; -infinity for too few groups."""
        return -self.negated().find_upper_limit(rate)

    def negated(self) -> GroupScores:
        """Return the same with each score's sign changed."""
        return GroupScores(
            scores=tuple(-score for score in reversed(self.scores)),
            weights=tuple(reversed(self.weights)),
            groups=self.groups,
        )

    def _p_value(self, weight: float) -> float:
        return min(1.0, (1 + weight) / (self.groups + 1))


def is_rejected(p_value: float, rate: float) -> bool:
    """Whether a p-value is at most the rate."""
    return p_value <= rate + _ROUNDING


def group_scores(scores: Sequence[float], groups: Sequence[Hashable]) -> GroupScores:
    """Return the calibration scores of these groups; ``groups`` names the group of each score.

    Raises ValueError for scores that are not finite.
    """
    if len(scores) != len(groups):
        raise ValueError("there must be as many groups as scores")
    if not all(math.isfinite(score) for score in scores):
        raise ValueError("scores must be finite")
    sizes: dict[Hashable, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    ordered = sorted(zip(scores, groups, strict=True), key=lambda pair: pair[0])
    return GroupScores(
        scores=tuple(float(score) for score, _ in ordered),
        weights=tuple(1 / sizes[group] for _, group in ordered),
        groups=len(sizes),
    )
