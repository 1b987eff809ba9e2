"""Pictures as vectors that are compared by what they show, by CLIP's image tower or another model.

A picture reaches the model whole, with its proportions changed: cut to a square, 16:9 would lose
44 % of what it shows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cinemill.errors import NotFound, ToolMissing
from cinemill.inference.models.cards import ModelCard, ModelRole
from cinemill.inference.models.catalog import find_card
from cinemill.inference.sessions.open_session import open_session
from cinemill.inference.sessions.process_device import SessionOptions
from cinemill.inference.sessions.protocol import ImageSession
from cinemill.inference.sessions.session_cache import process_sessions
from cinemill.inference.text.protocol import check_vectors
from cinemill.inference.vision.features import stack_images

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

DEFAULT_MODEL = "clip-vit-b16-int8"
_LEAST_LENGTH = 1e-12

PictureVectors = NDArray[np.float32]
"""Pictures × dimension, each row of length 1."""


class PictureEmbedder:
    """A loaded model. It may be used by several threads, one after the other."""

    def __init__(self, session: ImageSession) -> None:
        """Use the last output of the session's model."""
        self.card = session.card
        self.model_id = f"{session.card.name}@{session.card.revision[:12]}"
        self.dimension = session.card.outputs[-1].dimension
        self._session = session
        self._lock = threading.Lock()

    def embed(self, pictures: Sequence[Pixels]) -> PictureVectors:
        """Return one row of length 1 for each picture (height × width × RGB, of any size).

        Raises EmbeddingInvalid (``embedding_invalid``), OutOfMemory.
        """
        # One by one: a model in 8-bit integers scales its numbers by the whole batch, and so
        # the same picture next to others had a cosine of 0.97 with itself.
        rows = [self._run(one) for one in pictures]
        stacked = np.concatenate(rows) if rows else np.empty((0, self.dimension), np.float32)
        return check_vectors(
            stacked, count=len(pictures), dimension=self.dimension, model_id=self.model_id
        )

    def _run(self, picture: Pixels) -> PictureVectors:
        image = stack_images(self._session, [picture])
        with self._lock:
            rows = self._session.run(image)[self.card.outputs[-1].name]
        lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _LEAST_LENGTH)
        return np.asarray(rows / lengths, np.float32)


@contextmanager
def use_picture_embedder(card: ModelCard, folder: Path) -> Iterator[PictureEmbedder]:
    """Yield the model on the best device of this worker, with the sessions that it shares.

    ``folder`` holds the models. Raises ToolMissing (``model_missing``, ``model_damaged``,
    ``model_unusable``).
    """
    with process_sessions().use(card, folder) as session:
        yield PictureEmbedder(session)


def open_picture_embedder(name: str, folder: Path, *, threads: int = 1) -> PictureEmbedder:
    """Return a model by its name, on the CPU; it stays loaded in this process.

    ``folder`` holds the models. Raises ToolMissing: ``model_unknown`` for a name that no model of
    pictures has, ``model_missing``, ``model_damaged``, ``model_unusable``.
    """
    with _OPENING:  # of two threads that ask at once, one loads it
        return _open(find_picture_card(name, folder), folder, threads)


_OPENING = threading.Lock()


@lru_cache(maxsize=1)
def _open(card: ModelCard, folder: Path, threads: int) -> PictureEmbedder:
    return PictureEmbedder(
        open_session(card, folder, SessionOptions(threads=threads, use_gpu=False))
    )


def find_picture_card(name: str, folder: Path) -> ModelCard:
    """Return the card of a model that compares pictures. Raises ToolMissing (``model_unknown``)."""
    try:
        card = find_card(name, folder)
    except NotFound as unknown:
        raise ToolMissing(unknown.message, code="model_unknown", hint=unknown.hint) from unknown
    if card.role is not ModelRole.IMAGE_EMBEDDING:
        raise ToolMissing(
            f"The model {card.name} compares no pictures; it is for {card.role.value}.",
            code="model_unknown",
            hint=f"Use {DEFAULT_MODEL}.",
        )
    return card
