"""Features of pairs: blended and computed once, then found again by face, recipe and model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cinemill.capabilities.detection.datasets.records import VideoKey
from cinemill.capabilities.detection.training.feature_store import (
    Extraction,
    Features,
    FeatureStore,
    extract_features,
    feature_key,
)
from cinemill.capabilities.detection.training.pair_schedule import FaceReference
from cinemill.capabilities.detection.training.randomness import item_random
from cinemill.capabilities.detection.training.self_blending import (
    Control,
    SourcePair,
    draw_recipe,
    make_control,
    make_pair,
)

if TYPE_CHECKING:
    from cinemill.capabilities.detection.training.face_area import Landmarks
    from cinemill.core.frames import Pixels

    LoadFace = Callable[[FaceReference], tuple[Pixels, Landmarks]]
    """Returns a face's crop, and the mesh's 468 points in its pixels."""

BLENDING_VERSION = "self-blending/1"
"""Part of every key; raise it when the same seed makes other pictures."""


@dataclass(frozen=True, slots=True)
class PairPlan:
    """What pairs are made of each face."""

    seed: int
    takes: int = 1
    """Pairs of each face, each with a recipe of its own."""
    control: Control | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PairFeatures:
    """Features of a real and of its fake: two rows a level, the real's first."""

    face: FaceReference
    features: Features


def extract_pairs(
    faces: Sequence[FaceReference],
    plan: PairPlan,
    store: FeatureStore,
    load: LoadFace,
    compute: Callable[[NDArray[np.uint8]], Features],
    *,
    content_hashes: Mapping[VideoKey, str],
    versions: Sequence[str],
    should_stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[Extraction], None] = lambda _progress: None,
) -> Iterator[PairFeatures]:
    """Yield the features of every pair of the plan; pairs in the store are not blended again.

    ``compute`` takes N × height × width × 3 and returns N rows a level; ``content_hashes`` are the
    videos' sha256, ``versions`` name the model and its preprocessing.
    """
    items = [
        (_key(face, take, plan, content_hashes[face.video], versions), (face, take))
        for take in range(plan.takes)
        for face in faces
    ]

    def compute_pairs(missing: Sequence[tuple[FaceReference, int]]) -> list[Features]:
        pairs = [_make(face, take, plan, load) for face, take in missing]
        rows = compute(np.stack([one for pair in pairs for one in (pair.real, pair.fake)]))
        return [
            {level: values[2 * number : 2 * number + 2] for level, values in rows.items()}
            for number in range(len(pairs))
        ]

    found = extract_features(
        items,
        store,
        compute_pairs,
        total=len(items),
        should_stop=should_stop,
        on_progress=on_progress,
    )
    for (_, features), (_, (face, _)) in zip(found, items, strict=False):
        yield PairFeatures(face, features)


def _make(face: FaceReference, take: int, plan: PairPlan, load: LoadFace) -> SourcePair:
    pixels, landmarks = load(face)
    random = item_random(plan.seed, *_names(face), take)
    recipe = draw_recipe(random, pixels.shape[0], pixels.shape[1])
    if plan.control is None:
        return make_pair(pixels, landmarks, recipe)
    return make_control(pixels, landmarks, recipe, plan.control)


def _key(
    face: FaceReference, take: int, plan: PairPlan, content_hash: str, versions: Sequence[str]
) -> str:
    control = plan.control.value if plan.control else ""
    drawn = (str(plan.seed), *(str(one) for one in _names(face)), str(take), control)
    return feature_key(content_hash, BLENDING_VERSION, *drawn, *versions)


def _names(face: FaceReference) -> tuple[str | int, ...]:
    return face.video.dataset, face.video.method, face.video.name, face.time_ms, face.face
