"""Faces in pictures, by CenterFace (Xu et al. 2019) on ONNX Runtime.

The network returns a heat map at a quarter of the picture's resolution. Each hot cell is a face,
for which further maps hold the size of the box, its offset and five points within it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cinemill.core.faces import FaceBox
from cinemill.inference.faces.onnx_graph import free_shapes
from cinemill.inference.faces.quality import MIN_SIZE_PX
from cinemill.inference.faces.suppression import suppress_overlaps
from cinemill.inference.faces.tiles import may_be_cut, place_tiles
from cinemill.inference.faces.tracks import find_size
from cinemill.inference.models.cards import find_model
from cinemill.inference.models.catalog import get_card
from cinemill.inference.vision.resampling import resize
from cinemill.machine import usable_cpus
from cinemill.telemetry import get_logger

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

# ONNX Runtime is imported in a function: only a process that detects faces needs it.

CARD = "centerface"
LONG_SIDE_PX = 512
"""A larger picture is reduced to this before it is searched for faces of any size."""
SMALLEST_FACE_PX = 16
"""Side of the smallest face that the network finds, in pixels of what it is given."""
_LARGEST_ADDED_PX = 2 * SMALLEST_FACE_PX
"""Of the reduced picture. A tile adds no larger face: the reduced picture shows it well, and real
ones of that size score 0.78 or more in it. A larger one in a tile is a part of something else: in
66 frames of the cartoon, enlarged to 1920 and to 2560 pixels, 22 such parts score up to 0.76, as
much as real faces of 40 pixels, so that no threshold separates them."""
MIN_SCORE = 0.5
"""Faces of the sample videos score 0.8 to 0.95, 0.45 to 0.8 where compression has ruined them; a
cartoon's scores up to 0.3."""
MOST_OVERLAP = 0.3
MAX_CANDIDATES = 1000
"""Cells of the heat map, the hottest first."""
MAX_FACES = 100
MAX_THREADS = 8
_STRIDE = 4
"""Pixels of the picture for each cell of the maps."""
_SIDE_MULTIPLE = 32
"""The network halves its picture five times."""
_HEAT, _SIZE, _OFFSET, _POINTS = "537", "538", "539", "540"
_INPUT = "input.1"

log = get_logger(__name__)

_Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Maps:
    """What the network returns for a picture: channels × rows × columns."""

    heat: _Map
    size: _Map
    """Logarithms of height and width, in cells."""
    offset: _Map
    """Of the box's centre from the cell's, down and to the right, in cells."""
    points: _Map
    """y and x of each point, from the box's left top corner, in box sizes."""


class FaceDetector:
    """A loaded detector. Use :func:`open_face_detector`; it may be used by several threads."""

    def __init__(self, path: Path, *, threads: int) -> None:
        self._session = _open_session(path.read_bytes(), threads)

    def detect(self, images: Sequence[Pixels]) -> list[tuple[FaceBox, ...]]:
        """Return the faces of each picture (height × width × RGB), the most certain first.

        Boxes lie within the picture; points may lie outside, if the face does. Faces of at least
        ``MIN_SIZE_PX`` are found, whatever the size of the picture, and smaller ones in pictures
        of up to twice ``LONG_SIDE_PX``. The pictures may have different sizes.
        """
        return [self._detect_one(image) for image in images]

    def detect_smallest(self, image: Pixels) -> tuple[FaceBox, ...]:
        """Return the faces that are smaller than those that :meth:`detect` finds in any picture.

        They have ``SMALLEST_FACE_PX`` at least. The picture is searched as it is, in overlapping
        tiles: 15 for 1920×1080, each of which costs as much as a small picture.
        """
        found = merge_faces(self._search_tiles(image, max(image.shape[:2])))
        return tuple(box for box in found if find_size(box) < MIN_SIZE_PX)

    def _detect_one(self, image: Pixels) -> tuple[FaceBox, ...]:
        """Search one picture: a batch of them costs more CPU time for each, and more memory.

        Measured for batches of 1, 2 and 4: 22, 29 and 31 ms a picture; 151, 216 and 329 MB. So a
        large picture is searched for small faces in tiles as well.
        """
        reduced = _reduce(image, LONG_SIDE_PX)
        scales = image.shape[0] / reduced.shape[0], image.shape[1] / reduced.shape[1]
        found = read_faces(self._run(reduced), image.shape[:2], scales)
        finer_px = round(max(image.shape[:2]) * SMALLEST_FACE_PX / MIN_SIZE_PX)
        if finer_px <= LONG_SIDE_PX:
            return found
        largest_px = _LARGEST_ADDED_PX * max(scales)
        closer = self._search_tiles(image, finer_px)
        return merge_faces((box for box in closer if find_size(box) < largest_px), found)

    def _search_tiles(self, image: Pixels, long_side_px: int) -> list[FaceBox]:
        """Return what all tiles show, for :func:`merge_faces`: last, what a border may have cut."""
        reduced = _reduce(image, long_side_px)
        rows, columns = reduced.shape[:2]
        scale_x, scale_y = image.shape[1] / columns, image.shape[0] / rows
        whole: list[FaceBox] = []
        cut: list[FaceBox] = []
        for tile in place_tiles(rows, columns):
            top, left = (part.start for part in tile)
            pixels = reduced[tile]
            for box in read_faces(self._run(pixels), pixels.shape[:2], (1, 1)):
                seen = cut if may_be_cut(box, tile, rows, columns) else whole
                seen.append(_move(box, left, top, scale_x=scale_x, scale_y=scale_y))
        return [*_sort_by_score(whole), *_sort_by_score(cut)]

    def _run(self, picture: Pixels) -> _Maps:
        tensor = _pad(picture).transpose(2, 0, 1)[None].astype(np.float32, order="C")
        names = [_HEAT, _SIZE, _OFFSET, _POINTS]
        return _Maps(*(batch[0] for batch in self._session.run(names, {_INPUT: tensor})))


def read_faces(
    maps: _Maps, shape: tuple[int, int], scales: tuple[float, float]
) -> tuple[FaceBox, ...]:
    """Return the faces in the maps, best first.

    ``shape`` is the picture's height and width; ``scales`` are its pixels, down and to the right,
    for each pixel of the reduced picture.
    """
    rows, columns = _find_hot_cells(maps.heat[0])
    scores = maps.heat[0, rows, columns]
    size = np.exp(maps.size[:, rows, columns]) * _STRIDE
    center = (np.stack([rows, columns]) + maps.offset[:, rows, columns] + 0.5) * _STRIDE
    corner = center - size / 2
    points = corner + maps.points[:, rows, columns].reshape(5, 2, -1) * size
    to_picture = np.array(scales, np.float32)[:, None]
    corner, opposite, points = (
        corner * to_picture,
        (corner + size) * to_picture,
        points * to_picture,
    )
    # Rows first, as in the maps, to x and y.
    boxes = np.concatenate([corner[::-1], opposite[::-1]]).T.astype(np.float32)
    limits = np.array([shape[1], shape[0]] * 2, np.float32)
    boxes = np.clip(boxes, 0, limits)
    kept = suppress_overlaps(boxes, scores, MOST_OVERLAP)[:MAX_FACES]
    return tuple(_make_box(boxes[at], float(scores[at]), points[:, ::-1, at]) for at in kept)


def merge_faces(boxes: Iterable[FaceBox], known: Sequence[FaceBox] = ()) -> tuple[FaceBox, ...]:
    """Return the known faces of a picture and those that a closer search adds, at most 100.

    A box that shares more than ``MOST_OVERLAP`` of the smaller one with a known or an earlier box
    is that face, or a part of it, and is left out. Known faces all stay, even where they overlap:
    the search that found them saw them as different ones. The most certain come first.
    """
    kept = [*known]
    for box in boxes:
        if all(_share_covered(box, other) <= MOST_OVERLAP for other in kept):
            kept.append(box)
    added = _sort_by_score(kept[len(known) :])
    return tuple(_sort_by_score([*known, *added][:MAX_FACES]))


def _sort_by_score(boxes: Iterable[FaceBox]) -> list[FaceBox]:
    return sorted(boxes, key=lambda one: -one.score)


def _share_covered(box: FaceBox, other: FaceBox) -> float:
    """Return the area that two boxes share, as a share of the smaller one's."""
    right = min(box.left + box.width, other.left + other.width)
    bottom = min(box.top + box.height, other.top + other.height)
    width, height = right - max(box.left, other.left), bottom - max(box.top, other.top)
    smaller = min(box.width * box.height, other.width * other.height)
    return max(0.0, width) * max(0.0, height) / max(smaller, 1e-6)


def _move(box: FaceBox, left: int, top: int, *, scale_x: float, scale_y: float) -> FaceBox:
    """Return a tile's box in pixels of the picture; the tile begins at ``left`` and ``top``."""
    return FaceBox(
        (box.left + left) * scale_x,
        (box.top + top) * scale_y,
        box.width * scale_x,
        box.height * scale_y,
        box.score,
        tuple(((x + left) * scale_x, (y + top) * scale_y) for x, y in box.points),
    )


def _find_hot_cells(heat: _Map) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    rows, columns = np.nonzero(heat > MIN_SCORE)
    hottest = np.argsort(-heat[rows, columns], kind="stable")[:MAX_CANDIDATES]
    return rows[hottest], columns[hottest]


def _make_box(edges: NDArray[np.float32], score: float, points: _Map) -> FaceBox:
    left, top, right, bottom = (float(edge) for edge in edges)
    return FaceBox(
        left,
        top,
        right - left,
        bottom - top,
        min(1.0, score),
        tuple((float(x), float(y)) for x, y in points),
    )


def _reduce(image: Pixels, long_side_px: int) -> Pixels:
    height, width = image.shape[:2]
    share = long_side_px / max(height, width)
    if share >= 1:
        return image
    return resize(image, max(1, round(width * share)), max(1, round(height * share)))


def _pad(picture: Pixels) -> Pixels:
    """Add black at the right and the bottom, up to sides that the network can halve."""
    rows, columns = (-side % _SIDE_MULTIPLE for side in picture.shape[:2])
    return np.pad(picture, ((0, rows), (0, columns), (0, 0)))


@lru_cache(maxsize=1)
def open_face_detector(folder: Path) -> FaceDetector:
    """Return the detector, loaded once per process; ``folder`` holds the models.

    Raises ToolMissing (``model_missing``, ``model_damaged``).
    """
    card = get_card(CARD)
    path = find_model(card, folder) / card.weights
    detector = FaceDetector(path, threads=min(MAX_THREADS, usable_cpus()))
    log.info("model loaded", model=card.name, device="cpu")
    return detector


def _open_session(model: bytes, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that wait actively double the CPU time where other work has to be done.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        free_shapes(model), options, providers=["CPUExecutionProvider"]
    )
