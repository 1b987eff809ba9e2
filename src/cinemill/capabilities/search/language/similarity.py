"""How near words are in meaning, by an embedding model, with the vectors of words kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cinemill.inference.text.protocol import TextEmbedder

MOST_KEPT = 20_000
"""Words whose vectors are kept: 31 MB with 384 numbers each."""
MOST_COMPARED = 400
"""Words of a passage that are compared; it has fewer."""


class EmbeddedWords:
    """Compares words by their vectors; see ``relevance.CompareWords``. For several threads."""

    def __init__(self, embedder: TextEmbedder) -> None:
        self._embedder = embedder
        self._vectors: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, word: str, words: Sequence[str]) -> float:
        """Return the largest cosine of a word with any of the others, −1 to 1; 0 without others.

        Raises what the embedder raises.
        """
        others = list(dict.fromkeys(words))[:MOST_COMPARED]
        if not others:
            return 0.0
        with self._lock:
            self._embed([word, *others])
            wanted = self._vectors[word]
            best = max(float(wanted @ self._vectors[one]) for one in others)
            while len(self._vectors) > MOST_KEPT:
                self._vectors.popitem(last=False)
        return max(-1.0, min(1.0, best))

    def _embed(self, words: Iterable[str]) -> None:
        """Add the vectors that are missing, all in one call, and keep all of these."""
        used = list(dict.fromkeys(words))
        missing = [one for one in used if one not in self._vectors]
        if missing:
            self._vectors.update(zip(missing, self._embedder.embed(missing), strict=True))
        for one in used:
            self._vectors.move_to_end(one)
