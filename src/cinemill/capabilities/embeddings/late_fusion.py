"""One vector of a picture and of what is said and written meanwhile. Pure.

The two are put one after the other, so that the cosine of two fused vectors is the weighted mean of
the cosines of their parts, where both moments have a text.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TEXT_WEIGHT = 0.5
"""Share of the text in the cosine of two moments; the picture has the rest."""
VERSION = 1
"""Of how vectors are fused. Raise it whenever the same two would become another."""
LONGEST_REVISION = 64
"""Characters of each model's revision in that of both."""

Vector = NDArray[np.float32]


def fuse(text: Vector | None, picture: Vector, *, text_dimension: int) -> Vector:
    """Return a vector of length 1, first of the text and then of the picture.

    Without a text (None, or a mean that is zero) it is the picture's alone, after
    ``text_dimension`` zeros.

    Raises ValueError where the picture's vector is zero or not finite, or the text's has another
    dimension.
    """
    shown = _normalize(picture)
    if shown is None:
        raise ValueError("the vector of a picture is zero or not finite")
    said = None if text is None else _normalize(text)
    if said is None:
        return np.concatenate([np.zeros(text_dimension, np.float32), shown])
    if len(said) != text_dimension:
        raise ValueError(f"the vector of a text has {len(said)} numbers, not {text_dimension}")
    parts = [TEXT_WEIGHT**0.5 * said, (1 - TEXT_WEIGHT) ** 0.5 * shown]
    return np.concatenate(parts).astype(np.float32)


def name_fusion(text_model: str, picture_model: str) -> str:
    """Return the name of the model whose vectors are fused of those of these two."""
    return f"{text_model}+{picture_model}"


def name_revision(text_revision: str, picture_revision: str) -> str:
    """Return the revision of a fusion: of both models, and of how they are fused."""
    revisions = (text_revision[:LONGEST_REVISION], picture_revision[:LONGEST_REVISION])
    return f"{VERSION}:{'+'.join(revisions)}"


def _normalize(vector: Vector) -> Vector | None:
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length == 0:
        return None
    return np.asarray(vector / length, np.float32)
