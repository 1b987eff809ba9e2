"""Vectors of passages, and the index that searches them."""

from __future__ import annotations

from cinemill.capabilities.embeddings.filling import (
    Embed,
    Filling,
    check_revision,
    find_model_in_use,
    find_own_video,
)
from cinemill.capabilities.embeddings.projection_handler import project_soon
from cinemill.core.retrieval.spaces import EMBEDDED_TRACKS, Space
from cinemill.errors import Conflict, Postponed, ToolMissing
from cinemill.inference.models.cards import ModelCard
from cinemill.inference.text.onnx_embedder import find_text_card, open_text_embedder
from cinemill.inference.text.protocol import TextEmbedder
from cinemill.jobs.results import write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.ingestion.gaps import StepReport
from cinemill.steps.models import ensure_model
from cinemill.steps.resources import StepResources
from cinemill.storage.retrieval.index_builds import IndexBuild, await_index
from cinemill.storage.retrieval.models import (
    EmbeddingModel,
    ModelState,
    activate_model,
    drop_retired,
    has_missing,
    list_models,
    register_model,
)
from cinemill.telemetry import get_logger

log = get_logger(__name__)

BATCH_SIZE = 256
INDEX_SHARE = 0.9
"""Of the progress of the step that indexes."""
SECONDS_TO_WATCH = 20.0
"""Of one index; then the slot is free for other work, and PostgreSQL goes on by itself."""
LOOK_AGAIN_SECONDS = 30.0


def generate_text_embeddings(resources: StepResources, context: StepContext) -> StepOutcome:
    """Embed the passages that have no vector of the text model that is set.

    In an ingestion they are its own video's, and while the model is being filled others' for a few
    minutes; in a job of its own, every video's. An ingestion's video is also embedded with the
    model that searches use until then, if it is here.

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
            tracks=EMBEDDED_TRACKS[Space.TEXT],
        )
    filling = Filling(resources.database, context, "Embedding passage", BATCH_SIZE, begin)
    embed = _embed_with(embedder)
    asset_id = find_own_video(resources, context)
    if asset_id is None:
        filled = filling.fill_library(model, embed)
    else:
        filled = filling.fill_video(model, embed, asset_id)
        filled += _fill_model_in_use(resources, filling, card, asset_id)
        filled += filling.fill_others(model, embed)
    return StepOutcome(write_result(StepReport(count=filled, reused=filled == 0)))


def _embed_with(embedder: TextEmbedder) -> Embed:
    return lambda passages: list(embedder.embed([one.text for one in passages]))


def _fill_model_in_use(
    resources: StepResources, filling: Filling, card: ModelCard, asset_id: str
) -> int:
    """Embed a video with the model that searches use, if that is another; return how many."""
    model = find_model_in_use(resources.database, Space.TEXT, card)
    if model is None:
        return 0
    try:
        used = find_text_card(model.name, resources.models_dir)
        check_revision(model, used)
        embedder = open_text_embedder(used.name, resources.models_dir, threads=resources.threads)
        return filling.fill_video(model, _embed_with(embedder), asset_id)
    except ToolMissing as missing:
        log.warning("not found by meaning yet", model=model.name, why=missing.message)
        return 0


def index_embeddings(resources: StepResources, context: StepContext) -> StepOutcome:
    """Index models that were filled, use them for searches, and drop those that they replace.

    A model that still lacks vectors is left to the job that adds them. Then what is new is brought
    to Qdrant, where there is one.

    Raises Postponed while PostgreSQL builds an index, which may take hours.
    """
    with resources.database.begin() as connection:
        filling = [one for one in list_models(connection) if one.state is ModelState.FILLING]
    switched = sum(_switch(resources, context, model) for model in filling)
    context.report(INDEX_SHARE, "Removing models that are no longer used")
    with resources.database.begin() as connection:
        drop_retired(connection)
    project_soon(resources, context)
    return StepOutcome(write_result(StepReport(count=switched, reused=not filling)))


def _switch(resources: StepResources, context: StepContext, model: EmbeddingModel) -> bool:
    """Make searches use a model if it is complete; return whether they do."""

    def watch(build: IndexBuild) -> None:
        if (stop := context.should_stop()) is not None:
            raise stop
        words = _describe(build, model)
        context.report(INDEX_SHARE * build.share, f"{words} ({build.seconds:.1f} s)")
        if build.seconds > SECONDS_TO_WATCH:
            raise Postponed(f"{words}.", delay_seconds=LOOK_AGAIN_SECONDS)

    with resources.database.begin() as connection:
        if has_missing(connection, model):
            return False
    await_index(resources.database, model, on_wait=watch)
    try:
        with resources.database.begin() as connection:
            activate_model(connection, model.id)
    except Conflict:  # a passage came meanwhile; the job that brought it comes here, too
        return False
    return True


def _describe(build: IndexBuild, model: EmbeddingModel) -> str:
    if build.is_held_up:
        return f"The index of {model.name} waits for other transactions, such as a backup"
    return f"Building the index of {model.name}: {build.share:.0%}"
