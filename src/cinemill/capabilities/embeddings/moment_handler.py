"""Vectors of moments: of what is shown, and of what is said and written meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from numpy.typing import ArrayLike

from cinemill.capabilities.embeddings.filling import Filling, find_own_video
from cinemill.capabilities.embeddings.late_fusion import fuse, name_fusion, name_revision
from cinemill.core.retrieval.spaces import EMBEDDED_TRACKS, Space
from cinemill.errors import InputRejected
from cinemill.inference.models.cards import ModelCard
from cinemill.inference.text.onnx_embedder import find_text_card
from cinemill.inference.vision.embedder import find_picture_card
from cinemill.jobs.results import write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.ingestion.gaps import StepReport
from cinemill.steps.resources import StepResources
from cinemill.storage.database import Connection, Database
from cinemill.storage.findings.sets import lock_asset
from cinemill.storage.retrieval.models import (
    EmbeddingModel,
    ModelState,
    find_active_model,
    find_model,
    has_missing,
    list_models,
    register_model,
)
from cinemill.storage.retrieval.moments import list_keyframe_ids, read_moments
from cinemill.storage.retrieval.vectors import PassageText, save_vectors

BATCH_SIZE = 256


class EmbeddingsMissing(InputRejected):
    """Vectors of texts or of pictures are not there, so that they cannot be fused."""

    code = "embeddings_missing"
    hint = "Process a video with the profile 'full', which embeds both."


def generate_multimodal_embeddings(resources: StepResources, context: StepContext) -> StepOutcome:
    """Fuse the vectors of texts and pictures of the same moments, by the models that are set.

    Those of the job's own video are fused again, for its texts may be new, also by the models that
    searches use until then. Those of other videos are fused where they are missing, once all their
    texts and pictures have vectors. No model is run. A moment whose picture has no vector yet is
    left to the job that embeds it.

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
            tracks=EMBEDDED_TRACKS[Space.MOMENT],
        )
    in_use = _find_fusion_in_use(database, model)
    fusion = _Fusion(database, model, texts, pictures)
    filling = Filling(database, context, "Fusing moment", BATCH_SIZE)
    asset_id = find_own_video(resources, context)
    if asset_id is None:
        filled = filling.fill_library(model, fusion.embed)
    else:
        filled = sum(one.renew(asset_id) for one in (fusion, in_use) if one is not None)
        if fusion.has_all_parts():
            filled += filling.fill_others(model, fusion.embed)
    return StepOutcome(write_result(StepReport(count=filled, reused=False)))


def _find_fusion_in_use(database: Database, model: EmbeddingModel) -> _Fusion | None:
    """Return what searches use, if it is another and its parts are still there."""
    with database.begin() as connection:
        active = find_active_model(connection, Space.MOMENT)
        if active is None or active.id == model.id:
            return None
        all_texts = list_models(connection, space=Space.TEXT)
        all_pictures = list_models(connection, space=Space.PICTURE)
    for texts, pictures in product(all_texts, all_pictures):
        name = name_fusion(texts.name, pictures.name)
        if (active.name, active.revision) == (
            name,
            name_revision(texts.revision, pictures.revision),
        ):
            return _Fusion(database, active, texts, pictures)
    return None


def _require(connection: Connection, space: Space, card: ModelCard) -> EmbeddingModel:
    found = find_model(connection, space=space, name=card.name, revision=card.revision)
    if found is None:
        raise EmbeddingsMissing(
            f"Nothing was embedded with {card.name} yet.",
            hint=f"Check that 'cinemill models list' has {card.name}, and process a video with the "
            "profile 'full'.",
        )
    return found


@dataclass(frozen=True, slots=True)
class _Fusion:
    """A model whose vectors are made of those of two others."""

    database: Database
    model: EmbeddingModel
    texts: EmbeddingModel
    pictures: EmbeddingModel

    def embed(self, passages: Sequence[PassageText]) -> Sequence[ArrayLike | None]:
        """Return the fused vector of each passage; None where its picture has no vector."""
        with self.database.begin() as connection:
            return self._fuse(connection, [one.id for one in passages])

    def renew(self, asset_id: str) -> int:
        """Fuse all moments of a video; return how many there are. Raises NotFound.

        The video is locked meanwhile: another job may store vectors of other texts at this moment,
        and fuse them afterwards.
        """
        with self.database.begin() as connection:
            ids = list_keyframe_ids(connection, asset_id)
        renewed = 0
        for first in range(0, len(ids), BATCH_SIZE):
            batch = ids[first : first + BATCH_SIZE]
            with self.database.begin() as connection:
                lock_asset(connection, asset_id)
                pairs = zip(batch, self._fuse(connection, batch), strict=True)
                vectors = {one: vector for one, vector in pairs if vector is not None}
                save_vectors(connection, self.model, vectors)
            renewed += len(vectors)
        return renewed

    def has_all_parts(self) -> bool:
        """Check whether the two are filled: a moment would be fused without a text to come."""
        filling = [one for one in (self.texts, self.pictures) if one.state is ModelState.FILLING]
        with self.database.begin() as connection:
            return not any(has_missing(connection, one) for one in filling)

    def _fuse(self, connection: Connection, ids: Sequence[str]) -> Sequence[ArrayLike | None]:
        found = read_moments(connection, ids, pictures=self.pictures, texts=self.texts)
        return [
            fuse(found[one].text, found[one].picture, text_dimension=self.texts.dimension)
            if one in found
            else None
            for one in ids
        ]
