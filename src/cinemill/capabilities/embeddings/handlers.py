"""Vectors of passages, and the index that searches them."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from cinemill.core.retrieval.passages import PassageTrack
from cinemill.core.retrieval.spaces import Space
from cinemill.errors import Conflict
from cinemill.inference.text.onnx_embedder import find_text_card, open_text_embedder
from cinemill.jobs.results import write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.ingestion.gaps import StepReport
from cinemill.steps.models import ensure_model
from cinemill.steps.resources import StepResources
from cinemill.storage.retrieval.models import (
    EmbeddingModel,
    ModelState,
    activate_model,
    build_index,
    count_missing,
    drop_retired,
    list_models,
    register_model,
)
from cinemill.storage.retrieval.vectors import PassageText, fill_model

TRACKS = (
    PassageTrack.SPEECH,
    PassageTrack.TEXT,
    PassageTrack.PICTURE,
    PassageTrack.DESCRIPTION,
)
BATCH_SIZE = 256


def generate_text_embeddings(resources: StepResources, context: StepContext) -> StepOutcome:
    """Embed every passage that has no vector of the text model that is set.

    Those of other videos are embedded as well: a model that was changed is filled by the next job.

    Raises InputRejected (``model_missing`` and others), ToolMissing (``model_unknown``).
    """
    card = find_text_card(resources.text_model, resources.models_dir)
    begin = ensure_model(resources, context, card)
    embedder = open_text_embedder(card.name, resources.models_dir, threads=resources.threads)
    with resources.database.begin() as connection:
        model = register_model(
            connection,
            space=Space.TEXT,
            name=card.name,
            revision=card.revision,
            dimension=embedder.dimension,
            tracks=TRACKS,
        )
        missing = count_missing(connection, model)

    def embed(passages: Sequence[PassageText]) -> Sequence[ArrayLike]:
        return list(embedder.embed([one.text for one in passages]))

    def report(filled: int) -> None:
        if (stop := context.should_stop()) is not None:
            raise stop
        share = min(1.0, filled / max(1, missing))
        context.report(begin + (1 - begin) * share, f"Embedding passage {filled} of {missing}")

    filled = fill_model(
        resources.database, model.id, embed, batch_size=BATCH_SIZE, on_progress=report
    )
    return StepOutcome(write_result(StepReport(count=filled, reused=filled == 0)))


def index_embeddings(resources: StepResources, context: StepContext) -> StepOutcome:
    """Index models that were filled, use them for searches, and drop those that they replace.

    A model that still lacks vectors is left to the job that adds them.
    """
    with resources.database.begin() as connection:
        filling = [one for one in list_models(connection) if one.state is ModelState.FILLING]
    switched = sum(_switch(resources, model) for model in filling)
    context.report(0.9, "Removing models that are no longer used")
    with resources.database.begin() as connection:
        drop_retired(connection)
    return StepOutcome(write_result(StepReport(count=switched, reused=not filling)))


def _switch(resources: StepResources, model: EmbeddingModel) -> bool:
    """Make searches use a model if it is complete; return whether they do."""
    with resources.database.begin() as connection:
        if count_missing(connection, model):
            return False
    build_index(resources.database, model)
    try:
        with resources.database.begin() as connection:
            activate_model(connection, model.id)
    except Conflict:  # a passage came meanwhile; the job that brought it comes here, too
        return False
    return True
