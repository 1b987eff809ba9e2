"""Fitting of relevance, with NumPy: weights on some videos, thresholds on the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cinemill.capabilities.search.query import QueryClass
from cinemill.capabilities.search.relevance import (
    UNFITTED_MODEL,
    Features,
    RelevanceModel,
    judge_features,
)
from cinemill.core.statistics.conformal import group_scores
from cinemill.errors import InputRejected
from cinemill.inference.statistics.logistic import fit_logistic

LEAST_VIDEOS = 4
DEFAULT_RATE = 0.08
DEFAULT_STRENGTH = 1e-2
"""On 720 questions of six families, 0.01 abstained from 98 % of the near misses of new videos. With
one family left out, 0.1 kept more of its answers and caught fewer of its near misses."""
LEAST_BELOW = 2.0
"""Videos below the threshold of a class: with fewer it would be the score of the worst one."""


@dataclass(frozen=True, slots=True)
class RelevanceExample:
    """A question whose answer is known to be there, or not."""

    features: Features
    is_answerable: bool
    query_class: QueryClass
    video: str
    """Examples of one video are not independent: it is fitted on, or calibrated on, never both."""


def fit_relevance(
    examples: Sequence[RelevanceExample],
    *,
    false_abstention_rate: float = DEFAULT_RATE,
    strength: float = DEFAULT_STRENGTH,
) -> RelevanceModel:
    """Return a model that abstains from at most this share of answerable questions.

    This holds for questions of new videos that are like the examples, on average over classes of
    questions that have a threshold of their own; classes with too few videos share one. Videos are
    sorted by name and divided in turns: weights are fitted on one half, thresholds on the other.

    Raises TrainingImpossible (``training_impossible``) if a half lacks a class, InputRejected
    (``relevance_examples``) for fewer than four videos or a rate outside of 0 to 1.
    """
    videos = sorted({one.video for one in examples})
    if len(videos) < LEAST_VIDEOS or not 0 < false_abstention_rate < 1:
        raise InputRejected(
            f"Relevance is fitted on questions of at least {LEAST_VIDEOS} videos, with a rate of "
            "false abstention between 0 and 1.",
            code="relevance_examples",
        )
    fitted_on = set(videos[::2])
    train = [one for one in examples if one.video in fitted_on]
    held_out = [one for one in examples if one.video not in fitted_on and one.is_answerable]
    fit = fit_logistic(
        [one.features for one in train],
        [one.is_answerable for one in train],
        strength=strength,
    )
    draft = UNFITTED_MODEL.model_copy(
        update={
            "weights": tuple(float(weight) for weight in fit.weights),
            "bias": float(fit.bias),
            "examples": len(examples),
            "videos": len(videos),
        }
    )
    whole = _find_threshold(draft, held_out, false_abstention_rate)
    thresholds: dict[QueryClass, float] = {}
    for query_class in QueryClass:
        own = [one for one in held_out if one.query_class is query_class]
        has_enough = (len({one.video for one in own}) + 1) * false_abstention_rate >= LEAST_BELOW
        found = _find_threshold(draft, own, false_abstention_rate) if has_enough else None
        if found is not None:
            thresholds[query_class] = found
    return RelevanceModel(
        weights=draft.weights,
        bias=draft.bias,
        thresholds=thresholds,
        threshold=0.0 if whole is None else whole,
        false_abstention_rate=false_abstention_rate,
        examples=len(examples),
        videos=len(videos),
    )


def _find_threshold(
    model: RelevanceModel, examples: Sequence[RelevanceExample], rate: float
) -> float | None:
    """Return the conformal limit below which at most this share lies; None for too few videos."""
    scores = [judge_features(model, one.features) for one in examples]
    limit = group_scores(scores, [one.video for one in examples]).find_lower_limit(rate)
    return limit if math.isfinite(limit) else None
