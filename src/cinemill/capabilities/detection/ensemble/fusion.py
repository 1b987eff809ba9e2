"""Fusion: members with weights, and one score from theirs."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cinemill.capabilities.detection.ensemble.head import Head
from cinemill.capabilities.detection.ensemble.training_statement import Grade
from cinemill.capabilities.detection.verdict.calibration import Calibration
from cinemill.errors import InputRejected

_DIGITS = 9
"""Of a weight, where weights are compared."""


class WeightSource(StrEnum):
    """Where the weights of the members come from."""

    SETTINGS = "settings"
    """A person set them."""
    TRAINING = "training"
    """They were fitted to the training data."""
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Member:
    """A model of the ensemble with its head."""

    name: str
    weight: float
    """Share of the fused score, if all members are there."""
    head: Head | None
    """None if the model or its head is missing."""


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Members whose logits are fused. Weights of all members, missing ones too, add up to 1."""

    members: tuple[Member, ...]
    weight_source: WeightSource
    calibration: Calibration | None = None

    @property
    def heads(self) -> dict[str, Head]:
        """Return the heads of the members that are there."""
        return {one.name: one.head for one in self.members if one.head is not None}

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.members if one.head is None)

    @property
    def subject(self) -> str:
        """Return the digest of heads and weights that a calibration of this ensemble names."""
        parts = [
            f"{one.name} {one.head.digest if one.head else 'missing'} {one.weight:.{_DIGITS}f}"
            for one in sorted(self.members, key=lambda one: one.name)
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def make_ensemble(
    heads: Mapping[str, Head | None],
    weights: Mapping[str, float],
    source: WeightSource,
    calibration: Calibration | None = None,
) -> Ensemble:
    """Return the ensemble of these members: None stands for one that is missing.

    Weights are scaled so that those of all members, missing ones too, add up to 1.

    Raises InputRejected (``ensemble_weights``) unless each member has a weight, none is negative,
    and some are over 0.
    """
    if sorted(heads) != sorted(weights):
        raise _bad_weights(f"the members are {_list(heads)}, the weights those of {_list(weights)}")
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights.values()):
        raise _bad_weights("each must be a number of at least 0")
    total = sum(weights.values())
    if not 0 < total < math.inf:
        raise _bad_weights("one at least must be over 0")
    members = (Member(name, weights[name] / total, head) for name, head in heads.items())
    return Ensemble(tuple(members), source, calibration)


def make_ensemble_of_one(member: str, head: Head) -> Ensemble:
    """Return the ensemble of a single head, with the calibration that the head brings."""
    return make_ensemble({member: head}, {member: 1.0}, WeightSource.DEFAULT, head.calibration)


def put_on_own_scale(member: str, head: Head) -> Head:
    """Return the head of a detector that others trained, on the scale of its own calibration.

    Its logits may be of any size, and would drown those of the other members. Heads that were
    trained here are on that scale by themselves.
    """
    alone = make_ensemble_of_one(member, head)
    calibration = alone.calibration
    if head.grade is not Grade.EXTERNAL or calibration is None:
        return head
    if calibration.subject != alone.subject:
        return head
    return head.rescale(calibration.midpoint, calibration.temperature)


def fuse(ensemble: Ensemble, logits: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
    """Return the fused logit of each face from the logits of each member that is there.

    If a member is missing, the others' weights are scaled up, and the ensemble's ``missing`` must
    be reported with the score: no calibration holds for it. Raises ValueError for logits of other
    members, or if none is left with a weight.
    """
    present = [one for one in ensemble.members if one.head is not None]
    if sorted(logits) != sorted(one.name for one in present):
        raise ValueError(f"there are logits of {_list(logits)}, not of each member")
    total = math.fsum(one.weight for one in present)
    if not total:
        raise ValueError("no member that is there has a weight")
    rows = np.stack([np.asarray(logits[one.name], np.float64) for one in present])
    shares = np.array([one.weight / total for one in present])
    fused: NDArray[np.float64] = shares @ rows
    return fused


def measure_disagreement(ensemble: Ensemble, logits: Mapping[str, float]) -> float | None:
    """Return the weighted standard deviation of the members' scores; None for fewer than two."""
    present = [one for one in ensemble.members if one.name in logits and one.weight]
    if len(present) < 2:
        return None
    values = np.array([logits[one.name] for one in present])
    weights = np.array([one.weight for one in present])
    mean = np.average(values, weights=weights)
    return float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))


def _bad_weights(what: str) -> InputRejected:
    return InputRejected(
        f"The weights of the ensemble cannot be used: {what}.",
        code="ensemble_weights",
        hint="Set ENSEMBLE_WEIGHT_RESNET50 and ENSEMBLE_WEIGHT_CLIP, or train an ensemble.",
    )


def _list(names: Mapping[str, object]) -> str:
    return ", ".join(sorted(names)) or "nobody"
