"""Sentence embeddings by a BERT-like model on ONNX Runtime."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinemill.errors import NotFound, ToolMissing
from cinemill.inference.models.cards import ModelCard, ModelRole, find_model
from cinemill.inference.models.catalog import find_card
from cinemill.inference.models.language.embedding import TOKENIZER
from cinemill.inference.sessions.onnx_session import load_graph
from cinemill.inference.sessions.signature import unusable
from cinemill.inference.text.protocol import TextEmbedder, Vectors, check_vectors

MOST_TOKENS = 256
"""As the model was trained; what comes after them is not read."""
MOST_CHARACTERS = 8192
"""Of a text. Longer ones are cut before they are divided into tokens."""
MOST_BATCH_TOKENS = 2048
"""Of a batch with its padding, so that its memory is bounded."""
MOST_BATCH_TEXTS = 32
_LEAST_LENGTH = 1e-12

Tokens = NDArray[np.int64]


class OnnxTextEmbedder:
    """A loaded model with its tokenizer; see :class:`~.protocol.TextEmbedder`.

    The vector of a text is the mean of its tokens' vectors, padding left out. Which other texts are
    in its batch changes only how it is rounded.
    """

    def __init__(self, card: ModelCard, folder: Path, *, threads: int) -> None:
        """Load the model's files from ``folder``. Raises ToolMissing (``model_unusable``)."""
        self.card = card
        self.model_id = f"{card.name}@{card.revision[:12]}"
        self.dimension = card.outputs[0].dimension
        self._session = load_graph(card, folder / card.weights, threads=threads)
        self._tokenizer = load_tokenizer(card, folder / TOKENIZER, most_tokens=MOST_TOKENS)
        self._inputs = [one.name for one in self._session.get_inputs()]
        self._output = self._find_output()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of these texts, N × dimension, each of length 1.

        An empty text has a vector too, that of no words. Raises ToolMissing (``model_unusable``),
        EmbeddingInvalid (``embedding_invalid``).
        """
        vectors = np.empty((len(texts), self.dimension), np.float32)
        encoded = [self._encode(text) for text in texts]
        for batch in _make_batches([len(one) for one in encoded]):
            rows = self._run([encoded[at] for at in batch])
            vectors[batch] = check_vectors(
                rows, count=len(batch), dimension=self.dimension, model_id=self.model_id
            )
        return vectors

    def _encode(self, text: str) -> list[int]:
        # Half of a surrogate pair, which a damaged subtitle may hold, is no text to the tokenizer.
        readable = text[:MOST_CHARACTERS].encode("utf-8", "replace").decode()
        return list(self._tokenizer.encode(readable).ids)

    def _run(self, encoded: Sequence[Sequence[int]]) -> Vectors:
        """Return the vectors of one batch."""
        longest = max(map(len, encoded))
        ids: Tokens = np.zeros((len(encoded), longest), np.int64)
        mask: Tokens = np.zeros_like(ids)
        for row, tokens in enumerate(encoded):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        known = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        try:
            inputs = {name: known[name] for name in self._inputs}
            (states,) = self._session.run([self._output], inputs)
        except Exception as error:  # ONNX Runtime's exceptions have no common parent but this
            raise unusable(self.card, str(error)) from error
        return _pool(np.asarray(states, np.float32), mask)

    def _find_output(self) -> str:
        names = [one.name for one in self._session.get_outputs()]
        wanted = self.card.outputs[0].name
        if wanted not in names or not {"input_ids", "attention_mask"} <= set(self._inputs):
            raise unusable(self.card, f"its graph has the outputs {', '.join(names)}")
        return wanted


def _pool(states: Vectors, mask: Tokens) -> Vectors:
    """Return the mean over the tokens that the mask leaves, with length 1.

    ``states`` is N × tokens × dimension.
    """
    shares = mask[:, :, None].astype(np.float32)
    means = (states * shares).sum(axis=1) / np.maximum(shares.sum(axis=1), 1)
    lengths = np.maximum(np.linalg.norm(means, axis=1, keepdims=True), _LEAST_LENGTH)
    return np.asarray(means / lengths, np.float32)


def _make_batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the positions of texts of about the same length, the longest first.

    So little is padded, and a batch that is too large for the memory fails at once.
    """
    batch: list[int] = []
    for at in sorted(range(len(lengths)), key=lambda at: (-lengths[at], at)):
        longest = lengths[batch[0]] if batch else lengths[at]
        is_full = (len(batch) + 1) * longest > MOST_BATCH_TOKENS or len(batch) == MOST_BATCH_TEXTS
        if batch and is_full:
            yield batch
            batch = []
        batch.append(at)
    if batch:
        yield batch


def load_tokenizer(card: ModelCard, path: Path, *, most_tokens: int) -> Any:
    """Return a model's tokenizer without padding, whose texts end after so many tokens.

    Raises ToolMissing (``model_unusable``).
    """
    from tokenizers import Tokenizer  # imported here: a process without a model does not need it

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # it raises nothing more exact
        raise unusable(card, f"its tokenizer cannot be read: {error}") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(most_tokens)
    return tokenizer


def open_text_embedder(name: str, folder: Path, *, threads: int = 1) -> TextEmbedder:
    """Return a text embedding model by its name; it stays loaded in this process.

    ``folder`` holds the models. Raises ToolMissing: ``model_unknown`` for a name that no text
    embedding model has, ``model_missing``, ``model_damaged``, ``model_unusable``.
    """
    with _OPENING:  # of two threads that ask at once, one loads it
        return _open(name, folder, threads)


_OPENING = threading.Lock()


@lru_cache(maxsize=2)
def _open(name: str, folder: Path, threads: int) -> TextEmbedder:
    card = find_text_card(name, folder)
    return OnnxTextEmbedder(card, find_model(card, folder), threads=threads)


def find_text_card(name: str, folder: Path) -> ModelCard:
    """Return the card of a text embedding model. Raises ToolMissing (``model_unknown``)."""
    try:
        card = find_card(name, folder)
    except NotFound as unknown:
        raise ToolMissing(unknown.message, code="model_unknown", hint=unknown.hint) from unknown
    if card.role is not ModelRole.TEXT_EMBEDDING:
        raise ToolMissing(
            f"The model {card.name} embeds no text; it is for {card.role.value}.",
            code="model_unknown",
            hint="Use minilm-l6-v2-int8.",
        )
    return card
