"""Rows of features of reals and their blends, by each model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cinemill.capabilities.detection.detector import describe_preprocessing, describe_space
from cinemill.capabilities.detection.ensemble.features import (
    Features,
    FeatureSpace,
    join_levels,
)
from cinemill.capabilities.detection.runs.face_search import FoundFaces
from cinemill.capabilities.detection.runs.workbench import Workbench
from cinemill.capabilities.detection.training import feature_store
from cinemill.capabilities.detection.training.pair_features import PairPlan, extract_pairs
from cinemill.capabilities.detection.training.pair_schedule import FaceReference, list_batches
from cinemill.inference.models.cards import ModelCard
from cinemill.inference.sessions.protocol import ImageSession, require_image
from cinemill.inference.sessions.session_cache import process_sessions
from cinemill.inference.vision.features import extract_features, stack_images

if TYPE_CHECKING:
    from cinemill.capabilities.detection.training.face_area import Landmarks
    from cinemill.core.frames import Pixels


@dataclass(frozen=True, slots=True)
class Backbone:
    """A model whose features a head is trained on."""

    member: str
    """Its name in the ensemble."""
    card: ModelCard

    @property
    def size(self) -> int:
        """Return the side of the crops, as an analysis cuts them."""
        image = require_image(self.card)
        return max(image.width, image.height)

    @property
    def space(self) -> FeatureSpace:
        return describe_space(self.card)

    @property
    def versions(self) -> tuple[str, ...]:
        return self.card.name, self.card.revision, describe_preprocessing(self.card)


@dataclass(frozen=True, slots=True, eq=False)
class PairRows:
    """Two rows for each pair, the real's first."""

    features: Features
    faces: tuple[FaceReference, ...]
    """Of each row."""

    @property
    def is_fake(self) -> list[bool]:
        return [bool(number % 2) for number in range(len(self.faces))]

    @property
    def identities(self) -> list[str]:
        return [face.identity for face in self.faces]


def order_faces(found: FoundFaces, seed: int) -> list[FaceReference]:
    """Return the faces with the people mixed, in an order that only the seed and names set."""
    count = max(1, len(found.references))
    (batch,) = list_batches(found.references, count, seed=seed, epoch=0)
    return list(batch)


def compute_rows(
    bench: Workbench,
    backbone: Backbone,
    found: FoundFaces,
    faces: Sequence[FaceReference],
    plan: PairPlan,
    store: feature_store.FeatureStore,
    *,
    what: str,
) -> PairRows:
    """Return the features of the pairs of these faces; stored ones are not computed again.

    Raises ToolMissing, WorkFailed.
    """

    def load(face: FaceReference) -> tuple[Pixels, Landmarks]:
        return found.load(face, backbone.size)

    reused = 0

    def report(progress: feature_store.Extraction) -> None:
        nonlocal reused
        sentence = f"{what}: {progress.done} of {progress.total} pairs"
        is_reused, reused = progress.reused > reused, progress.reused
        bench.progress.report(progress.done, progress.total, sentence, is_reused=is_reused)

    with process_sessions().use(backbone.card, bench.models_dir) as session:
        pairs = [
            *extract_pairs(
                faces,
                plan,
                store,
                load,
                lambda pictures: _extract(session, pictures),
                content_hashes=found.content_hashes,
                versions=backbone.versions,
                on_progress=report,
            )
        ]
    levels = {
        level.name: np.concatenate([pair.features[level.name] for pair in pairs])
        for level in backbone.space.levels
    }
    rows = join_levels(levels, backbone.space)
    return PairRows(rows, tuple(pair.face for pair in pairs for _ in range(2)))


def _extract(session: ImageSession, pictures: NDArray[np.uint8]) -> feature_store.Features:
    return extract_features(session, stack_images(session, list(pictures)))
