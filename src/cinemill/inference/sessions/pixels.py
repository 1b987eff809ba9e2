"""Pixels to the numbers that a model takes, for models that do not do it themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cinemill.inference.models.cards import ColourOrder, ImageInput
from cinemill.inference.sessions.protocol import Images


def normalize(images: Images, image: ImageInput) -> NDArray[np.float32]:
    """Return N×3×H×W: ``(pixel - mean) / std`` for each channel, in the order of the card.

    One pass over each plane, without a copy in between.
    """
    count, height, width, _ = images.shape
    planes = np.empty((count, 3, height, width), np.float32)
    for position, channel in enumerate(_list_channels(image)):
        plane = planes[:, position]
        np.multiply(images[..., channel], np.float32(1 / image.std[channel]), out=plane)
        plane -= np.float32(image.mean[channel] / image.std[channel])
    return planes


def _list_channels(image: ImageInput) -> tuple[int, int, int]:
    return (2, 1, 0) if image.order is ColourOrder.BGR else (0, 1, 2)
