"""Vectors of moments: of what is shown, and of what is said and written meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from numpy.typing import ArrayLike

from cinemill.capabilities.embeddings.late_fusion import fuse, name_fusion, name_revision
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.core.retrieval.spaces import Space
from cinemill.errors import InputRejected
from cinemill.inference.models.cards import ModelCard
from cinemill.inference.text.onnx_embedder import find_text_card
from cinemill.inference.vision.embedder import find_picture_card
from cinemill.jobs.results import write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.ingestion.gaps import StepReport, is_ingestion
from cinemill.steps.resources import StepResources, find_asset
from cinemill.storage.database import Connection, Database
from cinemill.storage.retrieval.models import (
    EmbeddingModel,
    count_missing,
    find_model,
    register_model,
)
from cinemill.storage.retrieval.moments import list_keyframe_ids, read_moments
from cinemill.storage.retrieval.vectors import PassageText, fill_model, save_vectors

TRACKS = (PassageTrack.KEYFRAME,)
BATCH_SIZE = 256


class EmbeddingsMissing(InputRejected):
    """Vectors of texts or of pictures are not there, so that they cannot be fused."""

    code = "embeddings_missing"
    hint = "Process a video with the profile 'full', which embeds both."


def generate_multimodal_embeddings(resources: StepResources, context: StepContext) -> StepOutcome:
    """Fuse the vectors of texts and pictures of the same moments, by the models that are set.

    Those of the job's own video are fused again, for its texts may be new; those of other videos
    where they are missing. No model is run. A moment whose picture has no vector yet is left to the
    job that embeds it.

    Raises EmbeddingsMissing (``embeddings_missing``), ToolMissing (``model_unknown``).
    """
    database = resources.database
    text_card = find_text_card(resources.text_model, resources.models_dir)
    picture_card = find_picture_card(resources.picture_model, resources.models_dir)
    with database.begin() as connection:
        texts = _require(connection, Space.TEXT, text_card)
        pictures = _require(connection, Space.PICTURE, picture_card)
        model = register_model(
            connection,
            space=Space.MOMENT,
            name=name_fusion(texts.name, pictures.name),
            revision=name_revision(texts.revision, pictures.revision),
            dimension=texts.dimension + pictures.dimension,
            tracks=TRACKS,
        )
        missing = count_missing(connection, model)
    work = partial(_fuse, database, texts, pictures)
    renewed = 0
    if is_ingestion(context):
        renewed = _renew(database, find_asset(resources, context).id, model, work)

    def report(filled: int) -> None:
        if (stop := context.should_stop()) is not None:
            raise stop
        share = min(1.0, filled / max(1, missing))
        context.report(share, f"Fusing moment {filled} of {missing}")

    def embed(passages: Sequence[PassageText]) -> Sequence[ArrayLike | None]:
        return work([one.id for one in passages])

    filled = fill_model(database, model.id, embed, batch_size=BATCH_SIZE, on_progress=report)
    return StepOutcome(write_result(StepReport(count=filled + renewed, reused=False)))


def _require(connection: Connection, space: Space, card: ModelCard) -> EmbeddingModel:
    found = find_model(connection, space=space, name=card.name, revision=card.revision)
    if found is None:
        raise EmbeddingsMissing(
            f"Nothing was embedded with {card.name} yet.",
            hint=f"Check that 'cinemill models list' has {card.name}, and process a video with the "
            "profile 'full'.",
        )
    return found


def _renew(
    database: Database,
    asset_id: str,
    model: EmbeddingModel,
    work: partial[Sequence[ArrayLike | None]],
) -> int:
    """Fuse all moments of a video; return how many there are."""
    with database.begin() as connection:
        ids = list_keyframe_ids(connection, asset_id)
    renewed = 0
    for first in range(0, len(ids), BATCH_SIZE):
        batch = ids[first : first + BATCH_SIZE]
        pairs = zip(batch, work(batch), strict=True)
        vectors = {one: vector for one, vector in pairs if vector is not None}
        with database.begin() as connection:
            save_vectors(connection, model, vectors)
        renewed += len(vectors)
    return renewed


def _fuse(
    database: Database, texts: EmbeddingModel, pictures: EmbeddingModel, ids: Sequence[str]
) -> Sequence[ArrayLike | None]:
    """Return the fused vector of each passage; None where its picture has no vector."""
    with database.begin() as connection:
        found = read_moments(connection, ids, pictures=pictures, texts=texts)
    return [
        fuse(found[one].text, found[one].picture, text_dimension=texts.dimension)
        if one in found
        else None
        for one in ids
    ]
