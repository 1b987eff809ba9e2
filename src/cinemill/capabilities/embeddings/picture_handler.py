"""Vectors of key frames: what videos show, to find pictures that are alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from cinemill.capabilities.embeddings.filling import (
    Filling,
    check_revision,
    find_model_in_use,
    find_own_video,
)
from cinemill.core.media import Artifact, ArtifactKind, name_keyframe
from cinemill.core.retrieval.spaces import EMBEDDED_TRACKS, Space
from cinemill.errors import NotFound, ToolMissing
from cinemill.inference.models.cards import ModelCard
from cinemill.inference.vision.embedder import (
    PictureEmbedder,
    find_picture_card,
    use_picture_embedder,
)
from cinemill.jobs.results import write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.ingestion.gaps import StepReport
from cinemill.steps.ingestion.keyframe_pictures import read_picture
from cinemill.steps.models import ensure_model
from cinemill.steps.resources import StepResources
from cinemill.storage.media.assets import get_artifact
from cinemill.storage.retrieval.models import register_model
from cinemill.storage.retrieval.passages import delete_passages
from cinemill.storage.retrieval.vectors import PassageText
from cinemill.telemetry import get_logger

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

log = get_logger(__name__)

BATCH_SIZE = 64
"""Passages of a transaction. One picture is held at a time."""


def generate_visual_embeddings(resources: StepResources, context: StepContext) -> StepOutcome:
    """Embed the key frames that have no vector of the picture model that is set.

    In an ingestion they are its own video's, and while the model is being filled others' for a few
    minutes; in a job of its own, every video's. All are read from their files, so that no video is
    decoded again. An ingestion's video is also embedded with the model that searches use until
    then, if it is here. A passage whose picture is gone is removed; the next ingestion of its video
    brings it back.

    Raises InputRejected (``model_missing`` and others), ToolMissing (``model_unknown``).
    """
    card = find_picture_card(resources.picture_model, resources.models_dir)
    begin = ensure_model(resources, context, card)
    filling = Filling(resources.database, context, "Embedding picture", BATCH_SIZE, begin)
    asset_id = find_own_video(resources, context)
    # One after the other: two models of pictures at once take twice the memory.
    filled = 0 if asset_id is None else _fill_model_in_use(resources, filling, card, asset_id)
    with use_picture_embedder(card, resources.models_dir) as embedder:
        with resources.database.begin() as connection:
            model = register_model(
                connection,
                space=Space.PICTURE,
                name=card.name,
                revision=card.revision,
                dimension=embedder.dimension,
                tracks=EMBEDDED_TRACKS[Space.PICTURE],
            )
        pictures = _Pictures(resources, context, embedder)
        if asset_id is None:
            filled += filling.fill_library(model, pictures.embed)
        else:
            filled += filling.fill_video(model, pictures.embed, asset_id)
            filled += filling.fill_others(model, pictures.embed)
    return StepOutcome(write_result(StepReport(count=filled, reused=filled == 0)))


def _fill_model_in_use(
    resources: StepResources, filling: Filling, card: ModelCard, asset_id: str
) -> int:
    """Embed a video with the model that searches use, if that is another; return how many."""
    model = find_model_in_use(resources.database, Space.PICTURE, card)
    if model is None:
        return 0
    try:
        used = find_picture_card(model.name, resources.models_dir)
        check_revision(model, used)
        with use_picture_embedder(used, resources.models_dir) as embedder:
            pictures = _Pictures(resources, filling.context, embedder)
            return filling.fill_video(model, pictures.embed, asset_id)
    except ToolMissing as missing:
        log.warning("not found by its pictures yet", model=model.name, why=missing.message)
        return 0


@dataclass(frozen=True, slots=True)
class _Pictures:
    """Key frames of any videos, read from their files and embedded."""

    resources: StepResources
    context: StepContext
    embedder: PictureEmbedder

    def embed(self, passages: Sequence[PassageText]) -> Sequence[ArrayLike | None]:
        """Return the vector of each passage's picture; None for those that were removed.

        Shots that show the same share a picture, which is embedded once.
        """
        places = {passage.id: (passage.asset_id, passage.frame_ms or 0) for passage in passages}
        vectors: dict[tuple[str, int], ArrayLike] = {}
        for place in dict.fromkeys(places.values()):
            if (stop := self.context.should_stop()) is not None:
                raise stop
            pixels = self._read(*place)
            if pixels is not None:
                (vectors[place],) = self.embedder.embed([pixels])
        lost = [one for one, place in places.items() if place not in vectors]
        if lost:
            log.warning("pictures of key frames are missing", passages=len(lost))
            with self.resources.database.begin() as connection:
                delete_passages(connection, lost)
        return [vectors.get(places[passage.id]) for passage in passages]

    def _read(self, asset_id: str, frame_ms: int) -> Pixels | None:
        return read_picture(self.resources.files, self._find(asset_id, frame_ms))

    def _find(self, asset_id: str, frame_ms: int) -> Artifact | None:
        kind, variant = ArtifactKind.KEYFRAME, name_keyframe(frame_ms)
        try:
            return get_artifact(self.resources.database, asset_id, kind, variant=variant).artifact
        except NotFound:
            return None
