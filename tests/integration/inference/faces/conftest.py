"""The real models, loaded once."""

from __future__ import annotations

import pytest
from tests.model_files import fetch_models

from cinemill.inference.faces.detector import FaceDetector, open_face_detector
from cinemill.inference.faces.mesh import FaceMesh, open_face_mesh


@pytest.fixture(scope="session")
def detector() -> FaceDetector:
    return open_face_detector(fetch_models("centerface"))


@pytest.fixture(scope="session")
def mesh() -> FaceMesh:
    pytest.importorskip("ai_edge_litert", reason="needs the extra faces")
    return open_face_mesh(fetch_models("mediapipe-face-mesh"))
