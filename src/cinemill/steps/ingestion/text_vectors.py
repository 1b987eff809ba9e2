"""Vectors of passages that are not stored yet, so that both are stored together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from cinemill.core.retrieval.spaces import Space
from cinemill.errors import InputRejected, Postponed, ToolMissing
from cinemill.inference.models.cards import ModelCard
from cinemill.inference.text.onnx_embedder import find_text_card, open_text_embedder
from cinemill.inference.text.protocol import TextEmbedder
from cinemill.jobs.step import StepContext
from cinemill.steps.models import FETCH_SHARE, ensure_model
from cinemill.steps.resources import StepResources
from cinemill.storage.database import Connection
from cinemill.storage.retrieval.models import EmbeddingModel, ModelState, list_models
from cinemill.storage.retrieval.vectors import save_vectors
from cinemill.telemetry import get_logger

log = get_logger(__name__)

BATCH_SIZE = 256


@dataclass(frozen=True, slots=True)
class TextVectors:
    """Vectors of passages by their ids, of each model that was there."""

    by_model: Mapping[int, Mapping[str, ArrayLike]]
    """Empty for a model whose files are not on this machine."""

    def store(self, connection: Connection) -> None:
        """Store them; their passages must be stored by then.

        Raises Postponed where there is another model by now.
        """
        for model in _list_used(connection):
            if model.id not in self.by_model:
                raise Postponed(
                    f"The model {model.name} was added in the meantime.", delay_seconds=0.0
                )
            save_vectors(connection, model, self.by_model[model.id])


def embed_texts(
    resources: StepResources, context: StepContext, texts: Mapping[str, str], *, share: float
) -> TextVectors:
    """Embed the texts of passages, by their ids, with each model that searches use or will use.

    ``share`` of the step's progress is this. A model that is not the one that is set may be missing
    on this machine: then the passages are not found by its meanings.

    Raises InputRejected (``model_missing`` and others), ToolMissing (``model_unknown``), and what
    stops the step.
    """
    with resources.database.begin() as connection:
        used = _list_used(connection)
    by_model: dict[int, Mapping[str, ArrayLike]] = {}
    for number, model in enumerate(used):
        begin, part = share * number / len(used), share / len(used)
        embedder = _open(resources, context, model, begin, part * FETCH_SHARE) if texts else None
        by_model[model.id] = (
            {} if embedder is None else _embed(context, embedder, texts, begin + part)
        )
    return TextVectors(by_model)


def _list_used(connection: Connection) -> list[EmbeddingModel]:
    models = list_models(connection, space=Space.TEXT)
    return [one for one in models if one.state is not ModelState.RETIRED]


def _open(
    resources: StepResources,
    context: StepContext,
    model: EmbeddingModel,
    begin: float,
    share: float,
) -> TextEmbedder | None:
    """Return the embedder of a model; None where it is not here, and not the one that is set."""
    own = find_text_card(resources.text_model, resources.models_dir)
    if _is_of(model, own):
        ensure_model(resources, context, own, begin=begin, share=share)
        return open_text_embedder(own.name, resources.models_dir, threads=resources.threads)
    try:
        card = find_text_card(model.name, resources.models_dir)
        if _is_of(model, card):
            return open_text_embedder(card.name, resources.models_dir, threads=resources.threads)
    except (InputRejected, ToolMissing) as missing:
        log.warning("not found by meaning yet", model=model.name, why=missing.message)
    return None


def _is_of(model: EmbeddingModel, card: ModelCard) -> bool:
    return (model.name, model.revision) == (card.name, card.revision)


def _embed(
    context: StepContext, embedder: TextEmbedder, texts: Mapping[str, str], done: float
) -> dict[str, ArrayLike]:
    ids: Sequence[str] = list(texts)
    vectors: dict[str, ArrayLike] = {}
    for first in range(0, len(ids), BATCH_SIZE):
        if (stop := context.should_stop()) is not None:
            raise stop
        batch = ids[first : first + BATCH_SIZE]
        embedded = embedder.embed([texts[one] for one in batch])
        vectors.update(zip(batch, embedded, strict=True))
        context.report(done, f"Embedding passage {len(vectors)} of {len(ids)}")
    return vectors
