"""A Rekognition of its own for each test, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.rekognition_double import RekognitionDouble, connect, run_double

from cinemill.inference.providers.rekognition.client import RekognitionClient


@pytest.fixture
def double() -> Iterator[RekognitionDouble]:
    with run_double() as running:
        yield running


@pytest.fixture
def client(double: RekognitionDouble) -> RekognitionClient:
    return connect(double)
