"""Things in pictures, by NanoDet (RangiLyu 2020).

The network looks at three grids of cells. For each cell it gives the score of every kind of thing,
and for each edge of a box the likelihood of 11 distances from the cell's middle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cinemill.core.findings.finding import PictureBox
from cinemill.inference.faces.suppression import suppress_overlaps
from cinemill.inference.models.analysis.objects import (
    BINS,
    CLASS_COUNT,
    EDGES,
    NANODET,
    SIDE_PX,
    STRIDES_PX,
)
from cinemill.inference.objects.labels import COCO_LABELS
from cinemill.inference.sessions.protocol import ImageSession, Rows
from cinemill.inference.sessions.session_cache import process_sessions
from cinemill.inference.vision.features import stack_images

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

LEAST_SCORE = 0.55
"""Persons in photographed pictures score 0.57 to 0.86; near 0.5, things are seen in them that are
not there. In cartoons no threshold helps: shapes of one score 0.76 as a kite."""
MOST_OVERLAP = 0.5
"""Intersection over union of two boxes of one kind, above which they are one thing."""
MOST_OBJECTS = 50
MOST_CANDIDATES = 1000
"""Cells of the grids, the best first."""

_Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FoundObject:
    """A thing in a picture."""

    label: str
    """One of ``COCO_LABELS``."""
    confidence: float
    """``LEAST_SCORE`` to 1."""
    box: PictureBox


class ObjectDetector:
    """A loaded detector; see :func:`use_object_detector`. Not for several threads at once."""

    def __init__(self, session: ImageSession) -> None:
        self._session = session

    def detect(self, pictures: Sequence[Pixels]) -> list[tuple[FoundObject, ...]]:
        """Return the things in each picture (height × width × RGB), the most certain first.

        At most ``MOST_OBJECTS`` a picture. The pictures may have different sizes; each is squeezed
        into the model's square, as in its training. Raises OutOfMemory.
        """
        if not pictures:
            return []
        rows = self._session.run(stack_images(self._session, pictures))
        return [read_objects(rows, number) for number in range(len(pictures))]


@contextmanager
def use_object_detector(folder: Path) -> Iterator[ObjectDetector]:
    """Yield the detector, which stays loaded in this process; ``folder`` holds the models.

    Raises ToolMissing (``model_missing``, ``model_damaged``, ``model_unusable``), WeightsInvalid.
    """
    with process_sessions().use(NANODET, folder) as session:
        yield ObjectDetector(session)


def read_objects(rows: Rows, number: int) -> tuple[FoundObject, ...]:
    """Return the things that the model's outputs show in the picture of this number."""
    values = [row[number] for row in rows.values()]
    scores = np.concatenate([one.reshape(-1, CLASS_COUNT) for one in values[: len(STRIDES_PX)]])
    bins = np.concatenate([one.reshape(-1, EDGES, BINS) for one in values[len(STRIDES_PX) :]])
    cells, kinds = np.nonzero(scores >= LEAST_SCORE)
    best = np.argsort(-scores[cells, kinds], kind="stable")[:MOST_CANDIDATES]
    cells, kinds = cells[best], kinds[best]
    found = scores[cells, kinds]
    boxes = _place_boxes(bins[cells], cells)
    kept = _keep_best(boxes, found, kinds)
    return tuple(
        FoundObject(COCO_LABELS[kinds[at]], min(1.0, float(found[at])), _make_box(boxes[at]))
        for at in kept
    )


def _place_boxes(bins: _Floats, cells: NDArray[np.intp]) -> _Floats:
    """Return left, top, right and bottom as shares of the picture, within it."""
    middles, strides = _list_cells()
    weights = np.exp(bins - bins.max(axis=2, keepdims=True))
    expected = (weights @ np.arange(BINS, dtype=np.float32)) / weights.sum(axis=2)
    distances = expected * strides[cells, None]
    middle = middles[cells]
    corners = np.concatenate([middle - distances[:, :2], middle + distances[:, 2:]], axis=1)
    return np.clip(corners / np.float32(SIDE_PX), 0, 1).astype(np.float32)


def _list_cells() -> tuple[_Floats, _Floats]:
    """Return the middle (x, y) and the stride of every cell, in the order of the outputs."""
    middles, strides = [], []
    for stride in STRIDES_PX:
        places = (np.arange(SIDE_PX // stride, dtype=np.float32) + 0.5) * stride
        down, right = np.meshgrid(places, places, indexing="ij")
        middles.append(np.stack([right.ravel(), down.ravel()], axis=1))
        strides.append(np.full(right.size, stride, np.float32))
    return np.concatenate(middles), np.concatenate(strides)


def _keep_best(boxes: _Floats, scores: _Floats, kinds: NDArray[np.intp]) -> list[int]:
    """Return which boxes to keep, best first: of overlapping ones of a kind, the best."""
    # Moved apart, boxes of different kinds never overlap.
    apart = boxes + (kinds * 2).astype(np.float32)[:, None]
    kept = suppress_overlaps(apart, scores, MOST_OVERLAP)
    return [at for at in kept if _has_area(boxes[at])][:MOST_OBJECTS]


def _has_area(box: _Floats) -> bool:
    return bool(box[2] > box[0] and box[3] > box[1])


def _make_box(edges: _Floats) -> PictureBox:
    left, top, right, bottom = (float(edge) for edge in edges)
    return PictureBox(left, top, right - left, bottom - top)
