"""Vectors of key frames: what videos show, to find pictures that are alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from cinemill.core.media import Artifact, ArtifactKind, name_keyframe
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.core.retrieval.spaces import Space
from cinemill.errors import NotFound
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
from cinemill.storage.retrieval.models import count_missing, register_model
from cinemill.storage.retrieval.passages import delete_passages
from cinemill.storage.retrieval.vectors import PassageText, fill_model
from cinemill.telemetry import get_logger

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

log = get_logger(__name__)

TRACKS = (PassageTrack.KEYFRAME,)
BATCH_SIZE = 64
"""Passages of a transaction. One picture is held at a time."""


def generate_visual_embeddings(resources: StepResources, context: StepContext) -> StepOutcome:
    """Embed every key frame that has no vector of the picture model that is set.

    Those of other videos are embedded as well, from their files: a model that was changed is filled
    by whoever comes first, and no video is decoded again. A passage whose picture is gone is
    removed; the next ingestion of its video brings it back.

    Raises InputRejected (``model_missing`` and others), ToolMissing (``model_unknown``).
    """
    card = find_picture_card(resources.picture_model, resources.models_dir)
    begin = ensure_model(resources, context, card)
    with use_picture_embedder(card, resources.models_dir) as embedder:
        with resources.database.begin() as connection:
            model = register_model(
                connection,
                space=Space.PICTURE,
                name=card.name,
                revision=card.revision,
                dimension=embedder.dimension,
                tracks=TRACKS,
            )
            missing = count_missing(connection, model)

        def report(filled: int) -> None:
            if (stop := context.should_stop()) is not None:
                raise stop
            share = min(1.0, filled / max(1, missing))
            context.report(begin + (1 - begin) * share, f"Embedding picture {filled} of {missing}")

        pictures = _Pictures(resources, context, embedder)
        filled = fill_model(
            resources.database, model.id, pictures.embed, batch_size=BATCH_SIZE, on_progress=report
        )
    return StepOutcome(write_result(StepReport(count=filled, reused=filled == 0)))


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
