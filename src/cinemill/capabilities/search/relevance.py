"""Whether what was found answers the question: a probability from several cheap features.

Weights and thresholds are fitted on a corpus whose questions have an answer or nearly have one
(``relevance_fit``), and come with the package.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from cinemill.capabilities.search.query import ParsedQuery, QueryClass
from cinemill.capabilities.search.relevance_features import (
    FEATURES,
    CompareWords,
    Features,
    Measured,
    measure_features,
)
from cinemill.core.files.strict_model import StrictModel
from cinemill.core.retrieval.hits import Candidate
from cinemill.errors import InputRejected

__all__ = [
    "BY_MEANING",
    "BY_WORDS",
    "FEATURES",
    "CompareWords",
    "Features",
    "Measured",
    "Relevance",
    "RelevanceModel",
    "judge",
    "judge_features",
    "load_model",
    "measure_features",
    "open_fitted_model",
    "save_model",
]

LARGEST_MODEL_BYTES = 65_536
MOST_FAMILIES = 200
LONGEST_NAME = 200
_FITTED = Path(__file__).parent / "fitted"
BY_MEANING, BY_WORDS = "relevance.json", "relevance-words.json"
"""Files of the package: with an embedding model that compares words, and without one."""


class RelevanceModel(StrictModel):
    """Weights of the features, and from which probability on a question counts as answered."""

    version: int = Field(default=1, ge=1, le=1)
    """Of this form of file."""
    features: tuple[str, ...] = FEATURES
    weights: tuple[float, ...]
    bias: float
    thresholds: Mapping[QueryClass, float] = Field(default_factory=dict)
    """Probabilities; a class without one has the threshold of all."""
    threshold: float = Field(ge=0, le=1)
    heard_threshold: float | None = Field(default=None, ge=0, le=1)
    """For sentences with a word of which the speech model was unsure, of all classes; None: the
    same as for others."""
    heard_model: str = Field(default="", max_length=LONGEST_NAME)
    """The speech model that this threshold was set for; empty where there is none."""
    heard_examples: int = Field(default=0, ge=0)
    heard_rate: float = Field(default=0.0, ge=0, le=1)
    """What this threshold aims at, for all questions about what was heard."""
    false_abstention_rate: float = Field(ge=0, le=1)
    """What the thresholds aim at, for questions like those they were fitted on."""
    examples: int = Field(default=0, ge=0)
    """Questions that it was fitted on."""
    videos: int = Field(default=0, ge=0)
    families: tuple[str, ...] = Field(default=(), max_length=MOST_FAMILIES)
    """Forms of questions that it was fitted on; thresholds were set with each of them left out."""
    strength: float = Field(default=0.0, ge=0)
    """Of regularisation."""
    corpus: str = Field(default="", max_length=LONGEST_NAME)
    """The sha256 of the corpus' plan."""
    embedding_model: str = Field(default="", max_length=LONGEST_NAME)
    """That compared words; empty where only words as such were compared."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.features != FEATURES:
            raise ValueError("the model was fitted on other features")
        if len(self.weights) != len(self.features):
            raise ValueError("there must be a weight for each feature")
        if any(not 0 <= one <= 1 for one in self.thresholds.values()):
            raise ValueError("thresholds must be from 0 to 1")
        return self

    def find_threshold(self, query_class: QueryClass, *, is_heard: bool = False) -> float:
        """Return the least probability at which a question of this class is answered.

        ``is_heard``: from a sentence that a speech model heard, and in which it was unsure of a
        word. It may have misheard the names, so that less must be enough.
        """
        if is_heard and self.heard_threshold is not None:
            return self.heard_threshold
        return self.thresholds.get(query_class, self.threshold)


class Relevance(StrictModel):
    """What a model says of a search."""

    probability: float = Field(ge=0, le=1)
    threshold: float = Field(ge=0, le=1)
    features: Features

    @property
    def is_answerable(self) -> bool:
        return self.probability >= self.threshold


def judge(
    query: ParsedQuery,
    candidates: Sequence[Candidate],
    model: RelevanceModel | None = None,
    *,
    compare_words: CompareWords | None = None,
) -> Relevance:
    """Return how probably the best candidates answer the query.

    ``candidates`` are in the order of the fused ranking. Without a model, the one is used that was
    fitted for this way of comparing words; without ``compare_words`` predicates match only by their
    stems. Without candidates the probability is 0.
    """
    if model is None:
        model = open_fitted_model(BY_WORDS if compare_words is None else BY_MEANING)
    measured = measure_features(query, candidates, compare_words=compare_words)
    probability = judge_features(model, measured.features) if candidates else 0.0
    threshold = model.find_threshold(query.query_class, is_heard=measured.is_heard)
    return Relevance(probability=probability, threshold=threshold, features=measured.features)


@lru_cache(maxsize=2)
def open_fitted_model(name: str = BY_MEANING) -> RelevanceModel:
    """Return a model that comes with the package. Raises what :func:`load_model` raises."""
    return load_model(_FITTED / name)


def judge_features(model: RelevanceModel, features: Features) -> float:
    """Return the probability, 0 to 1, that these features are those of an answer."""
    return _sigmoid(_multiply(model.weights, features) + model.bias)


def save_model(model: RelevanceModel, path: Path) -> None:
    """Write a model as JSON, replacing the file at once."""
    staged = path.with_suffix(".new")
    staged.write_text(model.model_dump_json(indent=1) + "\n", encoding="utf-8")
    staged.replace(path)


def load_model(path: Path) -> RelevanceModel:
    """Read a model. Raises InputRejected (``relevance_model_invalid``)."""
    try:
        with path.open("rb") as file:  # of a larger file the rest is left, so that it is no JSON
            return RelevanceModel.model_validate_json(file.read(LARGEST_MODEL_BYTES))
    except (OSError, ValidationError) as problem:
        raise InputRejected(
            f"{path.name} is not a model of relevance: {problem}",
            code="relevance_model_invalid",
            hint="Fit it again with 'cinemill evaluate'.",
        ) from problem


def _multiply(weights: Sequence[float], features: Features) -> float:
    return math.fsum(weight * value for weight, value in zip(weights, features, strict=True))


def _sigmoid(value: float) -> float:
    if value >= 0:
        return 1 / (1 + math.exp(-value))
    power = math.exp(value)
    return power / (1 + power)
