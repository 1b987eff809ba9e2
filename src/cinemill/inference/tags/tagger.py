"""What a picture shows as a whole: the classes of ImageNet, by EfficientNet-Lite0.

The classifier is part of the published weights, of which detection uses the features only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cinemill.inference.export.efficientnet import LOGITS
from cinemill.inference.export.prepared import find_or_export
from cinemill.inference.models.cards import ModelCard, ModelOutput, find_model
from cinemill.inference.models.catalog import get_card
from cinemill.inference.sessions.onnx_session import OnnxSession
from cinemill.inference.sessions.open_session import MAX_THREADS
from cinemill.inference.sessions.protocol import ImageSession
from cinemill.inference.tags.names import CLASS_COUNT, read_class_names
from cinemill.inference.vision.features import stack_images
from cinemill.machine import usable_cpus

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

BACKBONE = "efficientnet-lite0"
LEAST_PROBABILITY = 0.3
"""Below this the names of real frames are mostly wrong."""
MOST_TAGS = 3
"""For each picture."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A class of a picture."""

    name: str
    confidence: float
    """Probability among all classes, 0 to 1."""


class Tagger:
    """A loaded classifier. Use :func:`open_tagger`; not for several threads at once."""

    def __init__(self, session: ImageSession, names: Sequence[str]) -> None:
        """``names`` are those of the session's classes, in order."""
        self._session = session
        self._names = names

    def tag(self, pictures: Sequence[Pixels]) -> list[tuple[Tag, ...]]:
        """Return the tags of each picture (height × width × RGB), the most certain first.

        At most ``MOST_TAGS`` with ``LEAST_PROBABILITY`` or more; often there are none. Raises
        OutOfMemory.
        """
        if not pictures:
            return []
        logits = self._session.run(stack_images(self._session, pictures))[LOGITS]
        return [self._read(row) for row in logits]

    def _read(self, logits: NDArray[np.float32]) -> tuple[Tag, ...]:
        weights = np.exp(logits.astype(np.float64) - float(logits.max()))
        shares = weights / weights.sum()
        best = np.argsort(-shares, kind="stable")[:MOST_TAGS]
        return tuple(
            Tag(self._names[at], float(shares[at]))
            for at in best.tolist()
            if shares[at] >= LEAST_PROBABILITY
        )


def make_tag_card() -> ModelCard:
    """Return the card of the backbone with its classifier as the only output."""
    return replace(get_card(BACKBONE), outputs=(ModelOutput(LOGITS, CLASS_COUNT, LOGITS),))


@lru_cache(maxsize=1)
def open_tagger(folder: Path) -> Tagger:
    """Return the tagger, loaded once per process; ``folder`` holds the models.

    Raises ToolMissing (``model_missing``, ``model_damaged``, ``model_unusable``), WeightsInvalid.
    """
    names = read_class_names(folder)
    card = make_tag_card()
    graph = find_or_export(card, find_model(card, folder), folder)
    session = OnnxSession(card, graph, threads=min(MAX_THREADS, usable_cpus()))
    return Tagger(session, names)
