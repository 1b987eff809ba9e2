"""The face mesh on real faces: its points lie where the detector sees eyes, nose and mouth."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.faces import Pixels, read_pictures

from cinemill.core.faces import FaceBox
from cinemill.errors import ToolMissing
from cinemill.inference.faces import mesh as mesh_module
from cinemill.inference.faces.crops import find_center
from cinemill.inference.faces.detector import FaceDetector
from cinemill.inference.faces.mesh import (
    LEFT_EYE_CORNER,
    POINT_COUNT,
    RIGHT_EYE_CORNER,
    FaceMesh,
    MeshPoints,
    open_face_mesh,
)
from cinemill.inference.vision.resampling import (
    Matrix,
    make_square_matrix,
    map_points,
    sample_affine,
)

LEFT_EYE, RIGHT_EYE, NOSE_TIP, MOUTH = (33, 133), (263, 362), (1,), (61, 291)
"""Points of the mesh: the corners of each eye, the tip of the nose, the corners of the mouth."""


def measure_spread(points: MeshPoints) -> float:
    """Return the distance between the outer corners of the eyes in pixels."""
    return float(np.linalg.norm(points[RIGHT_EYE_CORNER] - points[LEFT_EYE_CORNER]))


def locate(mesh: FaceMesh, picture: Pixels, box: FaceBox) -> MeshPoints:
    points = mesh.locate(picture, box)
    assert points is not None
    assert points.shape == (POINT_COUNT, 2)
    assert points.dtype == np.float32
    return points


def measure_distances(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    return float(np.linalg.norm(one - other, axis=1).max())


@pytest.mark.parametrize("sample", ["expressive_face", "single_face", "obama_speech", "carphone"])
def test_mesh_agrees_with_the_points_of_the_detector(
    detector: FaceDetector, mesh: FaceMesh, sample: str
) -> None:
    for picture in read_pictures(sample, 4):
        for box in detector.detect([picture])[0]:
            points = locate(mesh, picture, box)
            centers = [points[list(part)].mean(axis=0) for part in (LEFT_EYE, RIGHT_EYE, NOSE_TIP)]
            same = np.stack([*centers, *points[list(MOUTH)]])
            assert measure_distances(same, np.array(box.points)) < 0.2 * measure_spread(points)


def test_mesh_spans_the_face(detector: FaceDetector, mesh: FaceMesh) -> None:
    for picture in read_pictures("single_face", 3):
        box = detector.detect([picture])[0][0]
        points = locate(mesh, picture, box)
        width, height = points.max(axis=0) - points.min(axis=0)
        assert width == pytest.approx(box.width, rel=0.2)
        assert height == pytest.approx(box.height, rel=0.2)


def turn_picture(picture: Pixels, box: FaceBox, degrees: float) -> tuple[Pixels, FaceBox, Matrix]:
    """Return a turned picture of the face, its box, and the matrix back to the upright picture."""
    matrix = make_square_matrix(find_center(box), 400.0, math.radians(degrees), 400)
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    points = map_points(back, np.array(box.points))
    center = map_points(back, np.array([find_center(box)]))[0]
    turned = replace(
        box,
        left=float(center[0] - box.width / 2),
        top=float(center[1] - box.height / 2),
        points=tuple((float(x), float(y)) for x, y in points),
    )
    return sample_affine(picture, matrix, 400, 400), turned, matrix


@pytest.mark.parametrize("degrees", [15, -40, 90, 180, -130])
def test_mesh_of_a_turned_face_is_the_turned_mesh(
    detector: FaceDetector, mesh: FaceMesh, degrees: float
) -> None:
    picture = read_pictures("single_face", 1)[0]
    box = detector.detect([picture])[0][0]
    upright = locate(mesh, picture, box)
    turned, turned_box, matrix = turn_picture(picture, box, degrees)
    back = map_points(matrix, locate(mesh, turned, turned_box))
    assert measure_distances(back, upright) < 0.1 * measure_spread(upright)


def test_mesh_does_not_depend_on_the_exact_box(detector: FaceDetector, mesh: FaceMesh) -> None:
    """The second pass frames the face itself, so boxes of other detectors serve as well."""
    picture = read_pictures("single_face", 1)[0]
    box = detector.detect([picture])[0][0]
    other = replace(
        box,
        left=box.left - 12,
        top=box.top + 10,
        width=box.width * 1.15,
        height=box.height * 0.85,
        points=(),
    )
    points = locate(mesh, picture, box)
    assert measure_distances(locate(mesh, picture, other), points) < 0.1 * measure_spread(points)


def test_place_without_a_face_has_no_mesh(mesh: FaceMesh) -> None:
    picture = read_pictures("no_face", 1)[0]
    assert mesh.locate(picture, FaceBox(300, 100, 150, 200, 0.9)) is None
    assert mesh.locate(np.zeros((50, 50, 3), np.uint8), FaceBox(0, 0, 50, 50, 0.9)) is None


def test_mesh_without_its_extra_names_the_extra(
    mesh: FaceMesh, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(ToolMissing) as missing:
        mesh_module._load(tmp_path / "face_landmark.tflite")
    assert missing.value.code == "extra_missing"
    assert "cinemill[faces]" in missing.value.hint


def test_missing_mesh_model_names_the_command_that_fetches_it(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing) as missing:
        open_face_mesh(tmp_path)
    assert missing.value.code == "model_missing"
    assert "cinemill models fetch mediapipe-face-mesh" in missing.value.hint
