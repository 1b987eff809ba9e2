"""The vector of a question, by the model that the index was made with, as far as it is here.

The embedding model is loaded by the first search of a process and stays. What brings NumPy and ONNX
Runtime is imported then, and not before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from cinemill.capabilities.search.language.similarity import EmbeddedWords
from cinemill.capabilities.search.relevance import CompareWords
from cinemill.capabilities.search.runtime.resources import SearchResources
from cinemill.errors import CinemillError, ToolMissing
from cinemill.storage.retrieval.models import EmbeddingModel, find_active_model
from cinemill.telemetry import get_logger

if TYPE_CHECKING:
    from cinemill.inference.text.protocol import TextEmbedder
    from cinemill.storage.database import Connection

log = get_logger(__name__)

SPACE = "text"
LONGEST_EMBEDDED = 2_000
"""Characters of a question; the model reads a few hundred words."""


class VectorState(StrEnum):
    """Whether a search compared vectors, and if not, why."""

    USED = "used"
    NOT_USED = "not_used"
    """This search needs none."""
    NOT_INDEXED = "not_indexed"
    """No passage has a vector that can be searched yet."""
    MODEL_MISSING = "model_missing"
    """The model that the index was made with is not on this machine."""
    MODEL_UNUSABLE = "model_unusable"
    """It is, and cannot be loaded, or is another than the index was made with."""


@dataclass(frozen=True, slots=True)
class QueryVector:
    """The vector of a query, or why there is none."""

    state: VectorState
    hint: str = ""
    """What a person can do where there is none."""
    vector: Sequence[float] = ()
    model_id: int | None = None
    """Of the stored model; None where there is no vector."""


NO_VECTOR = QueryVector(VectorState.NOT_USED)
_NOT_INDEXED = QueryVector(
    VectorState.NOT_INDEXED,
    "No video has been indexed by meaning yet; words and names are searched. "
    "Process a video with the profile 'standard' or 'full'.",
)


def find_model(connection: Connection) -> EmbeddingModel | None:
    """Return the embedding model that searches use, if there is one."""
    return find_active_model(connection, SPACE)


def embed_query(resources: SearchResources, model: EmbeddingModel | None, text: str) -> QueryVector:
    """Return the vector of a query by the model of the index. Raises nothing."""
    if model is None:
        return _NOT_INDEXED
    try:
        embedder = _open_embedder(model.name, resources.models_dir)
        vector = embedder.embed([text[:LONGEST_EMBEDDED]])[0]
        is_same = embedder.dimension == model.dimension and _has_revision(embedder, model)
    except CinemillError as error:
        return _describe_failure(model, error)
    if not is_same:
        hint = f"The index was made with another revision of {model.name}: index it again."
        return QueryVector(VectorState.MODEL_UNUSABLE, hint)
    return QueryVector(VectorState.USED, vector=vector.tolist(), model_id=model.id)


def find_word_comparison(
    resources: SearchResources, model: EmbeddingModel | None
) -> CompareWords | None:
    """Return what compares words by meaning; None without an embedding model on this machine."""
    try:
        name = resources.text_model if model is None else model.name
        return _open_comparison(name, resources.models_dir)
    except CinemillError:
        return None


def _open_embedder(name: str, models_dir: Path) -> TextEmbedder:
    """Return a loaded embedding model, loading it first. Raises ToolMissing."""
    from cinemill.inference.text.onnx_embedder import open_text_embedder

    return open_text_embedder(name, models_dir)


@lru_cache(maxsize=2)
def _open_comparison(name: str, models_dir: Path) -> EmbeddedWords:
    return EmbeddedWords(_open_embedder(name, models_dir))


def _has_revision(embedder: TextEmbedder, model: EmbeddingModel) -> bool:
    name, _, revision = embedder.model_id.partition("@")
    return name == model.name and model.revision.startswith(revision)


def _describe_failure(model: EmbeddingModel, error: CinemillError) -> QueryVector:
    log.warning("a search goes on without vectors", model=model.name, why=str(error))
    if isinstance(error, ToolMissing) and error.code == "model_missing":
        return QueryVector(VectorState.MODEL_MISSING, error.hint)
    return QueryVector(VectorState.MODEL_UNUSABLE, f"{error.message} {error.hint}".strip())
