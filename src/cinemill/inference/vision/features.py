"""Features of several levels, as they are cached and as heads take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cinemill.errors import WorkFailed
from cinemill.inference.models.cards import ForgeryScore, ModelCard, ModelOutput
from cinemill.inference.sessions.protocol import Images, ImageSession, Rows, require_image
from cinemill.inference.vision.resampling import resize

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

Features = Mapping[str, NDArray[np.float16]]
"""For each level one row for each picture: raw, not normalised."""

_SQUARE_VERSION, _OBLONG_VERSION = 1, 2
"""Raise these whenever the same picture would reach the model as other pixels. Crops are squares as
large as the model's longer side: only where the model takes no square are they resized."""


LOGIT = "logit"
"""The one level of a whole detector: the logarithm of its odds that the picture is forged."""
_LEAST_PROBABILITY = 1e-6


def find_preprocessing_version(card: ModelCard) -> int:
    """Return the version of how crops are made into pictures of the size that a model takes."""
    image = card.image
    is_square = image is None or image.width == image.height
    return _SQUARE_VERSION if is_square else _OBLONG_VERSION


def list_levels(card: ModelCard) -> Mapping[str, int]:
    """Return the levels of features that a model gives, each with its dimension."""
    if card.score is not None:
        return {LOGIT: 1}
    return {_name_level(output): output.dimension for output in card.outputs}


def _name_level(output: ModelOutput) -> str:
    return output.level or output.name or "output"


def extract_features(session: ImageSession, images: Images) -> Features:
    """Return the features of these pictures, which have the size that the model takes.

    Raises WorkFailed (``features_invalid``) if a feature is no number that float16 can hold, or a
    detector's probability is none.
    """
    card, rows = session.card, session.run(images)
    if card.score is not None:
        return {
            LOGIT: _to_float16(session, card.score.output, _read_logits(card, card.score, rows))
        }
    levels = {output.name: _name_level(output) for output in card.outputs}
    return {levels[name]: _to_float16(session, name, values) for name, values in rows.items()}


def _read_logits(card: ModelCard, score: ForgeryScore, rows: Rows) -> NDArray[np.float32]:
    """Return what a detector says of each picture, N × 1."""
    values = rows[score.output]
    forged = values[:, [score.forged]]
    genuine = None if score.genuine is None else values[:, [score.genuine]]
    if not score.is_probability:
        return forged if genuine is None else forged - genuine
    others = 1 - forged if genuine is None else genuine
    if min(forged.min(initial=0), others.min(initial=0)) < -_LEAST_PROBABILITY:
        raise WorkFailed(
            f"{card.name} returned numbers that are no probabilities, which its card promises.",
            code="features_invalid",
            hint="Add the model again, with is_probability = false in the score of its card.",
        )
    odds = np.maximum(forged, _LEAST_PROBABILITY) / np.maximum(others, _LEAST_PROBABILITY)
    return np.log(odds, dtype=np.float32)


def stack_images(session: ImageSession, pictures: Sequence[Pixels]) -> Images:
    """Return pictures of any size as one array in the size that the model takes."""
    image = require_image(session.card)
    stacked = np.empty((len(pictures), image.height, image.width, 3), np.uint8)
    for row, pixels in zip(stacked, pictures, strict=True):
        row[:] = resize(pixels, image.width, image.height)
    return stacked


def _to_float16(
    session: ImageSession, name: str, values: NDArray[np.float32]
) -> NDArray[np.float16]:
    limit = np.finfo(np.float16).max
    if not np.isfinite(values).all() or np.abs(values).max(initial=0) > limit:
        raise WorkFailed(
            f"{session.card.name} returned features in {name!r} that are not finite or too large.",
            code="features_invalid",
            hint="Verify the model's files with 'cinemill models verify'; retry the job.",
        )
    return values.astype(np.float16)
