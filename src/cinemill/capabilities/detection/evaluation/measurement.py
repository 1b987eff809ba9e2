"""All figures of one evaluation, computed from the scores of its frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from statistics import fmean

from cinemill.capabilities.detection.evaluation.bootstrap import (
    REPLICATES,
    Interval,
    bootstrap_intervals,
)
from cinemill.capabilities.detection.evaluation.class_weights import weigh_classes
from cinemill.capabilities.detection.evaluation.ranking import (
    RankingFigures,
    UnmeasurableScores,
    measure_ranking,
    tabulate_scores,
)
from cinemill.capabilities.detection.evaluation.reliability import Reliability, measure_reliability
from cinemill.capabilities.detection.evaluation.risk_coverage import (
    RiskCoverage,
    measure_risk_coverage,
)
from cinemill.capabilities.detection.evaluation.video_scores import (
    FrameScore,
    VideoScore,
    join_frames,
)


@dataclass(frozen=True, slots=True)
class RankedSet:
    """Figures of a set of frames or videos, each with its interval."""

    reals: int
    fakes: int
    identities: int
    figures: RankingFigures
    intervals: Mapping[str, Interval] | None
    """By the name of the figure; None if there are too few people for any."""


@dataclass(frozen=True, slots=True)
class ThresholdOutcome:
    """What a threshold promised of reals, and what it did."""

    threshold: float
    """The score from which on a video is called manipulated."""
    nominal_fpr: float
    realised_fpr: float
    tpr: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """An evaluation's figures."""

    frames: RankedSet
    videos: RankedSet
    by_method: Mapping[str, RankedSet]
    """Fakes of each data set and method against all reals of that data set, or all reals where it
    has none."""
    reliability: Reliability
    risk_coverage: RiskCoverage
    """Of videos, with classes of equal weight, as for ``reliability``."""
    thresholds: tuple[ThresholdOutcome, ...]


def measure_scores(
    frames: Sequence[FrameScore],
    *,
    videos: Sequence[VideoScore] | None = None,
    to_probability: Callable[[float], float],
    thresholds: Mapping[float, float] | None = None,
    aggregate: Callable[[Sequence[float]], float] = fmean,
    seed: int,
    replicates: int = REPLICATES,
) -> Measurement:
    """Measure a detector by its scores on frames; those without a usable face are not among them.

    ``to_probability`` is the head's calibration of a video's score; ``thresholds`` are its
    thresholds by nominal false positive rate. ``videos`` are the detector's own scores of the
    videos; without them, ``aggregate`` joins frames to videos. Raises UnmeasurableScores without
    reals or without fakes.
    """
    videos = join_frames(frames, aggregate) if videos is None else videos
    labels = [one.is_fake for one in videos]
    probabilities = [to_probability(one.score) for one in videos]
    wrong = [
        (probability >= 0.5) != is_fake
        for probability, is_fake in zip(probabilities, labels, strict=True)
    ]
    sure = [abs(probability - 0.5) for probability in probabilities]
    return Measurement(
        frames=rank(frames, seed=seed, replicates=replicates),
        videos=rank(videos, seed=seed, replicates=replicates),
        by_method=_rank_methods(videos, seed=seed, replicates=replicates),
        reliability=measure_reliability(labels, probabilities),
        risk_coverage=measure_risk_coverage(wrong, sure, weigh_classes(labels)),
        thresholds=tuple(
            _check_threshold(videos, threshold, nominal)
            for nominal, threshold in sorted((thresholds or {}).items())
        ),
    )


def rank(
    scored: Sequence[FrameScore | VideoScore], *, seed: int, replicates: int = REPLICATES
) -> RankedSet:
    """Return the figures of these scores with intervals. Raises UnmeasurableScores."""
    labels = [one.is_fake for one in scored]
    people = [one.identity for one in scored]
    table = tabulate_scores(labels, [one.score for one in scored])
    intervals = bootstrap_intervals(
        people,
        lambda weights: astuple(measure_ranking(table, weights)),
        seed=seed,
        replicates=replicates,
    )
    names = [field.name for field in fields(RankingFigures)]
    return RankedSet(
        reals=labels.count(False),
        fakes=labels.count(True),
        identities=len(set(people)),
        figures=measure_ranking(table),
        intervals=dict(zip(names, intervals, strict=True)) if intervals else None,
    )


def sigmoid(logit: float) -> float:
    """Return the probability of a logit, without overflow."""
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))


def _rank_methods(
    videos: Sequence[VideoScore], *, seed: int, replicates: int
) -> dict[str, RankedSet]:
    reals = [one for one in videos if not one.is_fake]
    ranked: dict[str, RankedSet] = {}
    for dataset, method in sorted(
        {(one.video.dataset, one.video.method) for one in videos if one.is_fake}
    ):
        own_reals = [one for one in reals if one.video.dataset == dataset] or reals
        fakes = [
            one
            for one in videos
            if one.is_fake and (one.video.dataset, one.video.method) == (dataset, method)
        ]
        try:
            ranked[f"{dataset}/{method}"] = rank(
                [*own_reals, *fakes], seed=seed, replicates=replicates
            )
        except UnmeasurableScores:
            continue
    return ranked


def _check_threshold(
    videos: Sequence[VideoScore], threshold: float, nominal: float
) -> ThresholdOutcome:
    reals = [one.score >= threshold for one in videos if not one.is_fake]
    fakes = [one.score >= threshold for one in videos if one.is_fake]
    return ThresholdOutcome(threshold, nominal, fmean(reals), fmean(fakes))
