"""The face mesh: 468 points of a face, by MediaPipe's model on LiteRT (extra ``faces``).

The model takes a square around an upright face. The first square comes from the detector's box and
eyes; the points that it yields give a better one, with which the model runs again, as MediaPipe
does from frame to frame.
"""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cinemill.core.faces import FaceBox
from cinemill.errors import ToolMissing
from cinemill.inference.faces.crops import find_center, find_roll, find_side
from cinemill.inference.models.cards import find_model
from cinemill.inference.models.catalog import get_card
from cinemill.inference.vision.resampling import (
    Matrix,
    make_square_matrix,
    map_points,
    sample_affine,
)

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

CARD = "mediapipe-face-mesh"
POINT_COUNT = 468
SIDE_PX = 192
SQUARE_SCALE = 1.5
"""Side of the square in multiples of the face's longer side, as the model was trained."""
MIN_PRESENCE = 0.5
LEFT_EYE_CORNER, RIGHT_EYE_CORNER = 33, 263
"""Outer corners as the viewer sees them: the line between them is level in the model's square."""
_PASSES = 2

MeshPoints = NDArray[np.float32]
"""468×2: x and y in pixels of the picture."""


class FaceMesh:
    """A loaded mesh model. Use :func:`open_face_mesh`; not thread-safe."""

    def __init__(self, path: Path) -> None:
        self._interpreter = _load(path)
        self._input = self._interpreter.get_input_details()[0]["index"]
        sizes = {
            int(np.prod(output["shape"])): output["index"]
            for output in self._interpreter.get_output_details()
        }
        self._points, self._presence = sizes[POINT_COUNT * 3], sizes[1]

    def locate(self, pixels: Pixels, box: FaceBox) -> MeshPoints | None:
        """Return the points of the face in this box; None if the model sees no face there.

        Heavy compression can be a reason as well.
        """
        matrix = make_square_matrix(
            find_center(box), find_side(box) * SQUARE_SCALE, find_roll(box), SIDE_PX
        )
        for number in range(_PASSES):
            points, presence = self._run(sample_affine(pixels, matrix, SIDE_PX, SIDE_PX))
            if presence < MIN_PRESENCE:
                return None
            located = map_points(matrix, points)
            if number < _PASSES - 1:
                matrix = _follow(points, matrix)
        return located.astype(np.float32)

    def _run(self, square: Pixels) -> tuple[MeshPoints, float]:
        """Return the points in the square and the probability that they are a face's."""
        self._interpreter.set_tensor(self._input, square[None].astype(np.float32) / np.float32(255))
        self._interpreter.invoke()
        points = self._interpreter.get_tensor(self._points).reshape(POINT_COUNT, 3)
        logit = float(self._interpreter.get_tensor(self._presence).reshape(()))
        return points[:, :2], 1 / (1 + math.exp(-logit))


def _follow(points: MeshPoints, matrix: Matrix) -> Matrix:
    """Return the matrix of a square around these points, turned so that the eyes are level."""
    lowest, highest = points.min(axis=0), points.max(axis=0)
    center, *eyes = map_points(
        matrix,
        np.stack([(lowest + highest) / 2, points[LEFT_EYE_CORNER], points[RIGHT_EYE_CORNER]]),
    )
    across, down = eyes[1] - eyes[0]
    source_px = math.sqrt(abs(float(np.linalg.det(matrix[:, :2]))))
    side = float((highest - lowest).max()) * source_px * SQUARE_SCALE
    return make_square_matrix((center[0], center[1]), side, math.atan2(down, across), SIDE_PX)


@lru_cache(maxsize=1)
def open_face_mesh(folder: Path) -> FaceMesh:
    """Return the mesh model, loaded once per process; ``folder`` holds the models.

    Raises ToolMissing (``extra_missing``, ``model_missing``, ``model_damaged``).
    """
    card = get_card(CARD)
    return FaceMesh(find_model(card, folder) / card.weights)


def _load(path: Path) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ModuleNotFoundError as missing:
        raise ToolMissing(
            "The face mesh needs LiteRT, which is not installed.",
            code="extra_missing",
            hint="Install it with: pip install 'cinemill[faces]'.",
        ) from missing
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    return interpreter
