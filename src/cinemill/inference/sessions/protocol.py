"""What a loaded model that takes pictures looks like from outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cinemill.errors import WorkFailed
from cinemill.inference.models.cards import ImageInput, ModelCard

Images = NDArray[np.uint8]
"""Pictures × height × width × 3: red, green, blue."""
Rows = Mapping[str, NDArray[np.float32]]
"""For each output of the card, by name, one row for each picture."""


class OutOfMemory(WorkFailed):
    """A single picture does not fit into the memory of the device that the model runs on."""

    code = "inference_out_of_memory"
    hint = (
        "Raise GPU_MEMORY_FRACTION, or lower CELERY_WORKER_CONCURRENCY, whose processes share it. "
        "Or run the model on the CPU: set CUDA_VISIBLE_DEVICES to nothing."
    )


class ImageSession(Protocol):
    """A loaded model. Not for several threads at once."""

    @property
    def card(self) -> ModelCard: ...

    @property
    def device(self) -> str:
        """``cpu``, or ``cuda:0`` and so on."""
        ...

    @property
    def memory_bytes(self) -> int:
        """How much memory it was measured to take, with one picture run."""
        ...

    @property
    def fallback_reason(self) -> str:
        """Why it runs on the CPU where a GPU was asked for; else empty."""
        ...

    def run(self, images: Images) -> Rows:
        """Return one row for each picture and output.

        ``images`` are of the card's size. Raises OutOfMemory, ValueError for pictures of another
        size.
        """
        ...

    def release_memory(self) -> None:
        """Release what is kept for later batches; it can be used on."""
        ...

    def close(self) -> None:
        """Release its memory; it cannot be used afterwards."""
        ...


_LONGEST_REASON = 200


def describe_device(session: ImageSession) -> str:
    """Return where a model runs, and why not on a GPU where one was asked for."""
    if not session.fallback_reason:
        return session.device
    reason = session.fallback_reason.splitlines()[0][:_LONGEST_REASON].rstrip(".")
    return f"{session.device} ({reason})"


def require_image(card: ModelCard) -> ImageInput:
    """Return the pictures that the model takes. Raises ValueError for a model of another kind."""
    if card.image is None:
        raise ValueError(f"{card.name} takes no pictures")
    return card.image


def make_empty_rows(card: ModelCard) -> Rows:
    """Return the rows of no pictures, which not every graph can be asked for."""
    return {output.name: np.empty((0, output.dimension), np.float32) for output in card.outputs}


def check_images(card: ModelCard, images: Images) -> None:
    """Raise ValueError unless ``images`` are what the card asks for."""
    image = require_image(card)
    wanted = (image.height, image.width, 3)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != wanted:
        raise ValueError(
            f"{card.name} takes uint8 pictures of the shape {wanted}, not "
            f"{images.dtype} {images.shape[1:]}"
        )
