"""Words as vectors that are compared with those of pictures, by CLIP's text tower.

It belongs to one image tower, which its card names: the vectors of any other are of another space,
also where they have as many numbers.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from cinemill.errors import ToolMissing
from cinemill.inference.models.cards import ModelCard, ModelRole, find_model
from cinemill.inference.models.catalog import list_cards
from cinemill.inference.models.language.embedding import TOKENIZER
from cinemill.inference.sessions.onnx_session import load_graph
from cinemill.inference.sessions.signature import unusable
from cinemill.inference.text.onnx_embedder import MOST_CHARACTERS, load_tokenizer
from cinemill.inference.text.protocol import TextEmbedder, Vectors, check_vectors

MOST_TOKENS = 77
"""As CLIP was trained, with those that begin and end a text."""
_LEAST_LENGTH = 1e-12


class TextTower:
    """A loaded text tower with its tokenizer; see :class:`~.protocol.TextEmbedder`."""

    def __init__(self, card: ModelCard, folder: Path, *, threads: int) -> None:
        """Load the model's files from ``folder``. Raises ToolMissing (``model_unusable``)."""
        self.card = card
        self.model_id = f"{card.name}@{card.revision[:12]}"
        self.dimension = card.outputs[0].dimension
        self._session = load_graph(card, folder / card.weights, threads=threads)
        self._tokenizer = load_tokenizer(card, folder / TOKENIZER, most_tokens=MOST_TOKENS)
        self._inputs = {one.name: one.type for one in self._session.get_inputs()}
        outputs = [one.name for one in self._session.get_outputs()]
        if card.outputs[0].name not in outputs or "input_ids" not in self._inputs:
            raise unusable(card, f"its graph has the outputs {', '.join(outputs)}")

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of these texts, N × dimension, each of length 1.

        Raises ToolMissing (``model_unusable``), EmbeddingInvalid (``embedding_invalid``).
        """
        # One by one: a query is one text, and no graph has to know what padding is.
        rows = [self._run(text) for text in texts]
        stacked = np.concatenate(rows) if rows else np.empty((0, self.dimension), np.float32)
        return check_vectors(
            stacked, count=len(texts), dimension=self.dimension, model_id=self.model_id
        )

    def _run(self, text: str) -> Vectors:
        readable = text[:MOST_CHARACTERS].encode("utf-8", "replace").decode()
        ids = list(self._tokenizer.encode(readable).ids)
        known = {"input_ids": ids, "attention_mask": [1] * len(ids)}
        try:
            inputs = {
                name: np.asarray([known[name]], np.int32 if "int32" in kind else np.int64)
                for name, kind in self._inputs.items()
            }
            (rows,) = self._session.run([self.card.outputs[0].name], inputs)
        except Exception as error:  # ONNX Runtime's exceptions have no common parent but this
            raise unusable(self.card, str(error)) from error
        vectors = np.asarray(rows, np.float32).reshape(1, -1)
        lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _LEAST_LENGTH)
        return np.asarray(vectors / lengths, np.float32)


def open_text_tower(image_model: str, folder: Path, *, threads: int = 1) -> TextEmbedder:
    """Return the text tower that belongs to an image tower; it stays loaded in this process.

    ``folder`` holds the models. Raises ToolMissing: ``text_tower_missing`` where the image tower
    has none, or it is not on this machine; ``model_damaged``, ``model_unusable``.
    """
    with _OPENING:  # of two threads that ask at once, one loads it
        return _open(find_text_tower(image_model, folder), folder, threads)


_OPENING = threading.Lock()


@lru_cache(maxsize=1)
def _open(card: ModelCard, folder: Path, threads: int) -> TextEmbedder:
    try:
        files = find_model(card, folder)
    except ToolMissing as missing:
        if missing.code != "model_missing":
            raise
        raise ToolMissing(
            f"Pictures cannot be found by words: the text tower {card.name} is not installed.",
            code="text_tower_missing",
            hint=missing.hint,
        ) from missing
    return TextTower(card, files, threads=threads)


def find_text_tower(image_model: str, folder: Path) -> ModelCard:
    """Return the card of an image tower's text tower. Raises ToolMissing (``text_tower_missing``).

    ``folder`` holds the models, for those that were pinned at their first download.
    """
    cards = list_cards(folder).values()
    towers = [one for one in cards if one.role is ModelRole.TEXT_TOWER and one.image_tower]
    for card in towers:
        if card.image_tower == image_model:
            return card
    pairs = " or ".join(sorted(one.image_tower for one in towers))
    raise ToolMissing(
        f"Pictures cannot be found by words: the model {image_model} has no text tower.",
        code="text_tower_missing",
        hint=f"Set CINEMILL_PICTURE_EMBEDDING to {pairs}, and process the videos again.",
    )
