"""What turns text into vectors looks like from outside, and the check of what it returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cinemill.errors import WorkFailed

Vectors = NDArray[np.float32]
"""Texts × dimension, each row of length 1."""
_LENGTH_TOLERANCE = 1e-3


class EmbeddingInvalid(WorkFailed):
    """Vectors of another dimension or length than their model promises."""

    code = "embedding_invalid"
    hint = (
        "Vectors of one model cannot be compared with those of another: create the index again "
        "for the model that is set."
    )


class TextEmbedder(Protocol):
    """A loaded embedding model. It may be used by several threads at once."""

    @property
    def model_id(self) -> str:
        """Name and revision: vectors of two models with the same id can be compared."""
        ...

    @property
    def dimension(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one row of length 1 for each text, in their order; ``(0, dimension)`` for none.

        Raises EmbeddingInvalid (``embedding_invalid``).
        """
        ...


def check_vectors(vectors: Vectors, *, count: int, dimension: int, model_id: str) -> Vectors:
    """Return float32 vectors of ``(count, dimension)`` whose rows are finite and of length 1.

    Raises EmbeddingInvalid (``embedding_invalid``) for any others.
    """
    if vectors.shape != (count, dimension):
        raise EmbeddingInvalid(
            f"{model_id} returned vectors of the shape {vectors.shape} where "
            f"{(count, dimension)} was expected."
        )
    lengths = np.linalg.norm(vectors, axis=1)
    if not np.isfinite(lengths).all() or np.abs(lengths - 1).max(initial=0) > _LENGTH_TOLERANCE:
        raise EmbeddingInvalid(f"{model_id} returned a vector whose length is not 1.")
    return np.asarray(vectors, np.float32)
