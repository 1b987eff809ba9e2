"""Calibration: what is known about the scores of one ensemble on videos whose truth is known."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from pydantic import Field, model_validator

from cinemill.capabilities.detection.verdict.aggregation import AGGREGATION_VERSION
from cinemill.capabilities.detection.verdict.evidence import STANDARD_FRAMES
from cinemill.capabilities.detection.verdict.scaling import Scaling, fit_scaling
from cinemill.core.files.strict_model import StrictModel
from cinemill.core.statistics.conformal import (
    GroupScores,
    group_scores,
    is_rejected,
)
from cinemill.errors import InputRejected

LEAST_FACES = 4
DISTANCE_RATE = 0.01
DISAGREEMENT_RATE = 0.02
"""Shares of videos like the calibration data that abstain for distance, and for disagreement."""
NOMINAL_RATE = 0.05
STARTER_MARGIN = 1.0
"""Of logits after scaling: the odds must be 2.7 times those at the threshold."""


class Rejections(NamedTuple):
    """The classes that the score of a video rules out at the nominal error rates."""

    is_unmanipulated_rejected: bool
    is_manipulated_rejected: bool


class Calibration(StrictModel):
    """The calibration of one ensemble: scaling, scores of known videos, limits of its domain."""

    subject: str = Field(pattern="^[0-9a-f]{64}$")
    """Digest of the heads and weights that the scores come from."""
    aggregation: str = Field(max_length=100)
    temperature: float = Field(ge=1e-6, le=1e6)
    midpoint: float
    nominal_false_positive_rate: float = Field(gt=0, le=0.5)
    nominal_miss_rate: float = Field(gt=0, le=0.5)
    margin: float = Field(default=0.0, ge=0, le=100)
    """How far beyond the thresholds a score must be, in logits after scaling."""
    unmanipulated: GroupScores
    manipulated: GroupScores
    distances: dict[str, GroupScores] = Field(max_length=16)
    """For each member that measures distances."""
    disagreements: GroupScores | None = None
    """None for an ensemble of one."""
    distance_rate: float = Field(default=DISTANCE_RATE, gt=0, le=0.5)
    disagreement_rate: float = Field(default=DISAGREEMENT_RATE, gt=0, le=0.5)
    least_faces: int = Field(default=LEAST_FACES, ge=1, le=1000)
    """Usable faces that a video needs."""
    most_tracks: int = Field(ge=1, le=1_000_000)
    """Tracks of the calibration video that has most."""
    least_bits_per_pixel: float | None = Field(default=None, ge=0)
    """Of the most strongly compressed calibration video; None if it was not measured."""
    frames: int = Field(default=STANDARD_FRAMES, ge=1, le=100_000)
    """Frames looked at in each video. The highest of few scores is distributed otherwise than that
    of many, so this holds for no analysis that looks at another number of them."""
    data: str = Field(max_length=2000)
    """What the videos are, in a sentence for the report."""
    command: str = Field(default="", max_length=2000)

    @model_validator(mode="after")
    def _check_classes(self) -> Calibration:
        if not (self.unmanipulated.groups and self.manipulated.groups):
            raise ValueError("both classes need scores")
        return self

    def __copy__(self) -> Calibration:
        """Return a copy that finds its limits again, since ``model_copy`` may change a field."""
        copied = super().__copy__()
        for limit in ("flag_logit", "clear_logit"):
            copied.__dict__.pop(limit, None)
        return copied

    @property
    def scaling(self) -> Scaling:
        return Scaling(self.temperature, self.midpoint)

    @cached_property
    def flag_logit(self) -> float:
        """The score over which a video is flagged; infinite if the calibration is too small."""
        high, low = self._limits()
        return max(high + self.margin * self.temperature, low, self.midpoint)

    @cached_property
    def clear_logit(self) -> float:
        """The score below which no manipulation is found; -infinity if it is too small."""
        high, low = self._limits()
        return min(low - self.margin * self.temperature, high, self.midpoint)

    def _limits(self) -> tuple[float, float]:
        """Return the scores over and below which the one and the other class are ruled out."""
        return (
            self.unmanipulated.find_upper_limit(self.nominal_false_positive_rate),
            self.manipulated.find_lower_limit(self.nominal_miss_rate),
        )

    @property
    def most_confidence(self) -> float:
        """The highest confidence that so many calibration videos can support."""
        groups = min(self.unmanipulated.groups, self.manipulated.groups)
        return 1 - 1 / (groups + 1)

    def probability(self, logit: float) -> float:
        """Return the calibrated probability of a manipulation, as extreme as the data supports."""
        most = self.most_confidence
        return min(max(self.scaling.probability(logit), 1 - most), most)

    @property
    def can_decide(self) -> bool:
        """Whether both classes have enough groups for the nominal rates."""
        return is_rejected(
            self.unmanipulated.least_p_value, self.nominal_false_positive_rate
        ) and is_rejected(self.manipulated.least_p_value, self.nominal_miss_rate)

    def find_rejections(self, logit: float) -> Rejections:
        """Return which classes the score of a video rules out, whatever the margin."""
        high = self.unmanipulated.p_value_of_high(logit)
        low = self.manipulated.p_value_of_low(logit)
        return Rejections(
            is_unmanipulated_rejected=is_rejected(high, self.nominal_false_positive_rate),
            is_manipulated_rejected=is_rejected(low, self.nominal_miss_rate),
        )

    def is_far(self, distances: Mapping[str, float]) -> bool:
        """Whether a video is further from the training data than calibration videos are.

        A member without calibrated distances is no reason to trust it: its distance counts as far.
        """
        return any(
            name not in self.distances
            or _is_extreme(self.distances[name], distance, self.distance_rate)
            for name, distance in distances.items()
        )

    def is_disputed(self, disagreement: float) -> bool:
        """Whether the members disagree more than they do on calibration videos."""
        known = self.disagreements
        return known is not None and _is_extreme(known, disagreement, self.disagreement_rate)


def _is_extreme(known: GroupScores, value: float, rate: float) -> bool:
    """With few groups, what exceeds all of them is extreme: abstaining is the safe error."""
    return is_rejected(known.p_value_of_high(value), max(rate, known.least_p_value))


@dataclass(frozen=True, slots=True)
class CalibrationVideo:
    """The scores of a video whose truth is known."""

    logit: float
    is_manipulated: bool
    group: Hashable
    """The person or the source: videos of one group are not independent."""
    tracks: int = 1
    distances: Mapping[str, float] = field(default_factory=dict)
    disagreement: float | None = None
    bits_per_pixel: float | None = None


@dataclass(frozen=True, slots=True)
class CalibrationOptions:
    """What is chosen, not measured, and what the calibration says about itself."""

    subject: str
    data: str
    command: str = ""
    nominal_false_positive_rate: float = NOMINAL_RATE
    nominal_miss_rate: float = NOMINAL_RATE
    margin: float = 0.0
    frames: int = STANDARD_FRAMES
    """That were looked at in each video."""


def fit_calibration(videos: Sequence[CalibrationVideo], options: CalibrationOptions) -> Calibration:
    """Return the calibration that these videos support. Their heads must never have seen them.

    Raises InputRejected: ``calibration_classes`` without both classes, ``calibration_useless`` if
    scores do not rise from unmanipulated to manipulated videos, ``calibration_uneven`` if only some
    of the videos have a distance or a disagreement.
    """
    scores = {truth: _group(videos, truth) for truth in (False, True)}
    scaling = fit_scaling(
        [*scores[False].scores, *scores[True].scores],
        [False] * len(scores[False].scores) + [True] * len(scores[True].scores),
        [*scores[False].weights, *scores[True].weights],
    )
    return Calibration(
        subject=options.subject,
        aggregation=AGGREGATION_VERSION,
        temperature=scaling.temperature,
        midpoint=scaling.midpoint,
        nominal_false_positive_rate=options.nominal_false_positive_rate,
        nominal_miss_rate=options.nominal_miss_rate,
        margin=options.margin,
        unmanipulated=scores[False],
        manipulated=scores[True],
        distances=_group_distances(videos),
        disagreements=_group_disagreements(videos),
        most_tracks=max(video.tracks for video in videos),
        least_bits_per_pixel=_find_least_bits(videos),
        frames=options.frames,
        data=options.data,
        command=options.command,
    )


def _group(videos: Sequence[CalibrationVideo], is_manipulated: bool) -> GroupScores:
    chosen = [video for video in videos if video.is_manipulated == is_manipulated]
    return group_scores([video.logit for video in chosen], [video.group for video in chosen])


def _group_distances(videos: Sequence[CalibrationVideo]) -> dict[str, GroupScores]:
    names = sorted({name for video in videos for name in video.distances})
    if any(sorted(video.distances) != names for video in videos):
        raise _uneven("distances of each member")
    groups = [video.group for video in videos]
    return {
        name: group_scores([video.distances[name] for video in videos], groups) for name in names
    }


def _group_disagreements(videos: Sequence[CalibrationVideo]) -> GroupScores | None:
    found = [video.disagreement for video in videos if video.disagreement is not None]
    if not found:
        return None
    if len(found) != len(videos):
        raise _uneven("a disagreement")
    return group_scores(found, [video.group for video in videos])


def _find_least_bits(videos: Sequence[CalibrationVideo]) -> float | None:
    measured = [video.bits_per_pixel for video in videos]
    known = [bits for bits in measured if bits is not None]
    return min(known) if known and len(known) == len(measured) else None


def _uneven(what: str) -> InputRejected:
    return InputRejected(
        f"Either all calibration videos have {what}, or none has.",
        code="calibration_uneven",
        hint="Score all videos with the same heads, then calibrate again.",
    )
