"""Features of several levels, as they are cached and as heads take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cinemill.errors import WorkFailed
from cinemill.inference.sessions.protocol import Images, ImageSession, require_image
from cinemill.inference.vision.resize import Pixels, resize_image

Features = Mapping[str, NDArray[np.float16]]
"""For each level one row for each picture: raw, not normalised."""

PREPROCESSING_VERSION = 1
"""Raise it whenever the same picture would reach the model as other pixels."""


def extract_features(session: ImageSession, images: Images) -> Features:
    """Return the features of these pictures, which have the size that the model takes.

    Raises WorkFailed (``features_invalid``) if a feature is no number that float16 can hold.
    """
    rows = session.run(images)
    levels = {output.name: output.level or output.name for output in session.card.outputs}
    return {levels[name]: _to_float16(session, name, values) for name, values in rows.items()}


def stack_images(session: ImageSession, pictures: Sequence[Pixels]) -> Images:
    """Return pictures of any size as one array in the size that the model takes."""
    image = require_image(session.card)
    stacked = np.empty((len(pictures), image.height, image.width, 3), np.uint8)
    for row, pixels in zip(stacked, pictures, strict=True):
        row[:] = resize_image(pixels, image.width, image.height)
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
