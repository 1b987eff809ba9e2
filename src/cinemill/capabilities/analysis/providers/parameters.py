"""Parameters of analyses by services, and their plans."""

from __future__ import annotations

from typing import Annotated

from cinemill.core.job import StepSpec
from cinemill.core.parameters import Expected, Listed, Parameters, choice_of, empty_as
from cinemill.inference.providers.rekognition.features import Feature
from cinemill.steps.ingestion import kinds
from cinemill.steps.source.plan import SourceParameters, plan_source

ALL_FEATURES = tuple(Feature)
_NAMES = Expected("labels, segments, faces, text or moderation", code="features_invalid")
Features = Annotated[
    Listed[Annotated[Feature, choice_of(Feature), _NAMES]],
    empty_as(ALL_FEATURES),
    Expected("a list of labels, segments, faces, text and moderation", code="features_invalid"),
]


class FeatureParameters(Parameters):
    """What Rekognition looks for."""

    features: Features = ALL_FEATURES
    """Each is an analysis of its own, and is paid for by itself. Default: all."""


class RekognitionParameters(SourceParameters, FeatureParameters):
    """A video, and what Rekognition looks for in it."""


class NvidiaParameters(SourceParameters):
    """A video for a vision model to describe."""

    features: Features = ALL_FEATURES
    """As for Rekognition, so that scripts can pass the same. It chooses nothing: the model
    describes each range in one answer."""


class RangeParameters(Parameters):
    """A range of time that a vision model describes."""

    start_ms: int
    """From the first frame."""
    end_ms: int
    """After ``start_ms``; half-open."""


class DescriptionParameters(Parameters):
    """All ranges of a video, and what describing them was expected to cost."""

    ranges: Listed[Listed[int]]
    """Start and end of each, in milliseconds, in order."""
    charge_key: str
    """In the books."""
    asked: int
    """How many of them the model had to be asked about."""


def plan_rekognition(params: RekognitionParameters, asset_id: str | None) -> list[StepSpec]:
    """Plan an analysis by Rekognition. Raises InputRejected (``source_missing``)."""
    features = list(dict.fromkeys(feature.value for feature in params.features))
    kind = kinds.ANALYZE_WITH_REKOGNITION
    return [
        *plan_source(kind, params, asset_id),
        StepSpec("rekognition", kind, {"features": features}, after=("probe",)),
    ]


def plan_nvidia(params: NvidiaParameters, asset_id: str | None) -> list[StepSpec]:
    """Plan an analysis by a vision model. Raises InputRejected (``source_missing``)."""
    kind = kinds.ANALYZE_WITH_NVIDIA
    return [
        *plan_source(kind, params, asset_id),
        StepSpec("nvidia", kind, after=("probe",)),
    ]
