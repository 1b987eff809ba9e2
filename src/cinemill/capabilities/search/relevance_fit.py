"""Fitting of relevance, with NumPy: thresholds from scores of questions that were left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cinemill.capabilities.search.query import QueryClass
from cinemill.capabilities.search.relevance import Features, RelevanceModel, judge_features
from cinemill.core.statistics.conformal import group_scores
from cinemill.errors import InputRejected
from cinemill.inference.statistics.logistic import fit_logistic

LEAST_VIDEOS = 4
LEAST_FAMILIES = 3
DEFAULT_RATE = 0.079
"""The least that catches 92 % of near misses, each scored without its family, in the splits tune
and validate: 0.0775 caught 91.8 %."""
DEFAULT_HEARD_RATE = 0.15
"""Of all questions about what a speech model heard; chosen on the split validate, where 0.155
abstained from more than 12 % of its answers."""
DEFAULT_STRENGTH = 0.3
"""With a tenth of it, fewer paraphrases passed of families that were left out."""
LEAST_BELOW = 2.0
"""Videos below the threshold of a class: with fewer it would be the score of the worst one."""


@dataclass(frozen=True, slots=True)
class RelevanceExample:
    """A question whose answer is known to be there, or not."""

    features: Features
    is_answerable: bool
    query_class: QueryClass
    video: str
    """Examples of one video are not independent: together they weigh as much as another video's."""
    family: str = ""
    """The form of the question; empty where it has none."""
    is_heard: bool = False
    """Whether its features are of a sentence with a word of which the speech model was unsure."""


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How a model is fitted."""

    false_abstention_rate: float = DEFAULT_RATE
    strength: float = DEFAULT_STRENGTH
    heard_rate: float = DEFAULT_HEARD_RATE
    """Of false abstention, where a speech model heard the sentence."""
    has_class_thresholds: bool = False
    """On held-out families, thresholds of classes were no better than one for all."""


def fit_relevance(
    examples: Sequence[RelevanceExample], settings: FitSettings | None = None
) -> RelevanceModel:
    """Return a model that abstains from about this share of answerable questions.

    Thresholds are set on scores of models that did not see the question's family, where there are
    three families at least, else not the question's half of the videos: so they are right for
    questions of new forms, as far as these are like those that were left out. Weights are then
    fitted on all examples.

    Raises TrainingImpossible (``training_impossible``) if a part lacks a class, InputRejected
    (``relevance_examples``) for fewer than four videos or a rate outside of 0 to 1.
    """
    used = settings or FitSettings()
    videos = sorted({one.video for one in examples})
    rate = used.false_abstention_rate
    if len(videos) < LEAST_VIDEOS or not 0 < rate < 1:
        raise InputRejected(
            f"Relevance is fitted on questions of at least {LEAST_VIDEOS} videos, with a rate of "
            "false abstention between 0 and 1.",
            code="relevance_examples",
        )
    scored = _score_left_out(examples, used.strength)
    whole = _find_threshold(scored, rate)
    model = _fit(examples, used.strength)
    return model.model_copy(
        update={
            "thresholds": _find_class_thresholds(scored, rate) if used.has_class_thresholds else {},
            "threshold": 0.0 if whole is None else whole,
            "false_abstention_rate": rate,
            "videos": len(videos),
            "families": tuple(sorted({one.family for one in examples if one.family})),
        }
    )


def _fit(examples: Sequence[RelevanceExample], strength: float) -> RelevanceModel:
    fit = fit_logistic(
        [one.features for one in examples],
        [one.is_answerable for one in examples],
        strength=strength,
    )
    return RelevanceModel(
        weights=tuple(float(weight) for weight in fit.weights),
        bias=float(fit.bias),
        threshold=0.0,
        false_abstention_rate=0.0,
        examples=len(examples),
        strength=strength,
    )


def add_heard_threshold(
    model: RelevanceModel,
    examples: Sequence[RelevanceExample],
    heard: Sequence[RelevanceExample],
    settings: FitSettings | None = None,
) -> RelevanceModel:
    """Return a fitted model with a threshold for sentences of which a speech model was unsure.

    ``examples`` are what the model was fitted on, ``heard`` the same questions where what is said
    was heard. Weights stay: of what was heard, a linear model learns to trust no word. The
    threshold is such that about ``heard_rate`` of all answerable questions of ``heard`` abstain,
    those that signs and pictures answer by the threshold of others among them.

    Raises InputRejected (``relevance_examples``) where there are too few videos.
    """
    used = settings or FitSettings()
    scored = _score_left_out(examples, used.strength, asked=heard)
    # What is not heard keeps its threshold: above or below every other one that is possible.
    moved = [
        (one, score if one.is_heard else float(score >= model.find_threshold(one.query_class)))
        for one, score in scored
    ]
    limit = _find_threshold(moved, used.heard_rate)
    if limit is None:
        raise InputRejected(
            f"A threshold for what was heard needs more videos for a rate of {used.heard_rate}.",
            code="relevance_examples",
        )
    update = {
        "heard_threshold": limit,
        "heard_examples": len(heard),
        "heard_rate": used.heard_rate,
    }
    return model.model_copy(update=update)


def _score_left_out(
    examples: Sequence[RelevanceExample],
    strength: float,
    *,
    asked: Sequence[RelevanceExample] | None = None,
) -> list[tuple[RelevanceExample, float]]:
    """Return each example with its probability by a model that did not see its part.

    With ``asked``, those examples instead, of the same parts.
    """
    parts = _divide(examples)
    wanted = examples if asked is None else asked
    wanted_parts = parts if asked is None else _divide(asked)
    scored: list[tuple[RelevanceExample, float]] = []
    for part in sorted(set(parts)):
        others = [one for one, its in zip(examples, parts, strict=True) if its != part]
        model = _fit(others, strength)
        scored += [
            (one, judge_features(model, one.features))
            for one, its in zip(wanted, wanted_parts, strict=True)
            if its == part
        ]
    return scored


def _divide(examples: Sequence[RelevanceExample]) -> list[str]:
    """Return the part of each example: its family, or one of two halves of the videos."""
    if len({one.family for one in examples}) >= LEAST_FAMILIES:
        return [one.family for one in examples]
    videos = sorted({one.video for one in examples})
    half = set(videos[::2])
    return ["first" if one.video in half else "second" for one in examples]


def _find_class_thresholds(
    scored: Sequence[tuple[RelevanceExample, float]], rate: float
) -> dict[QueryClass, float]:
    """Return a threshold for each class that has enough videos."""
    thresholds: dict[QueryClass, float] = {}
    for query_class in QueryClass:
        own = [(one, score) for one, score in scored if one.query_class is query_class]
        videos = {one.video for one, _ in own if one.is_answerable}
        found = _find_threshold(own, rate) if (len(videos) + 1) * rate >= LEAST_BELOW else None
        if found is not None:
            thresholds[query_class] = found
    return thresholds


def _find_threshold(scored: Sequence[tuple[RelevanceExample, float]], rate: float) -> float | None:
    """Return the conformal limit below which at most this share of answers lies.

    None for too few videos.
    """
    kept = [(score, one.video) for one, score in scored if one.is_answerable]
    limit = group_scores([s for s, _ in kept], [v for _, v in kept]).find_lower_limit(rate)
    return limit if math.isfinite(limit) else None
