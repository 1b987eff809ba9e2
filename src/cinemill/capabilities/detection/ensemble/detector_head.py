"""The head of a whole detector, which returns a logit itself."""

from __future__ import annotations

import numpy as np

from cinemill.capabilities.detection.ensemble.features import FeatureSpace
from cinemill.capabilities.detection.ensemble.head import Head
from cinemill.capabilities.detection.ensemble.training_statement import Grade, TrainingStatement
from cinemill.inference.models.cards import ModelCard

_LONGEST_METHOD = 500


def make_detector_head(card: ModelCard, space: FeatureSpace) -> Head:
    """Return the head that passes on what a detector says; ``space`` is that of its logit."""
    about = f"; its card says: {card.about}" if card.about else ""
    method = f"not trained here: a whole detector ({card.licence}), used as it is{about}"
    return Head(
        name=card.name,
        grade=Grade.EXTERNAL,
        space=space,
        weights=np.ones(space.dimension, np.float32),
        bias=0.0,
        temperature=1.0,
        training=TrainingStatement(method=method[:_LONGEST_METHOD]),
    )
