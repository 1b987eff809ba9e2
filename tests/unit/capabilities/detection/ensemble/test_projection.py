"""Projection that removes leading directions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.detection.ensemble.projection import fit_projection

pytestmark = pytest.mark.property


@given(st.integers(0, 1000), st.integers(1, 5))
def test_projection_is_idempotent_and_never_adds(seed: int, removed: int) -> None:
    random = np.random.default_rng(seed)
    projection = fit_projection(random.normal(size=(30, 8)), removed)
    rows = random.normal(size=(10, 8))
    once = projection.apply(rows)
    assert projection.apply(once) == pytest.approx(once, abs=1e-5)
    before = np.linalg.norm(rows - projection.mean, axis=1)
    assert (np.linalg.norm(once - projection.mean, axis=1) <= before + 1e-5).all()


def test_projection_removes_who_a_face_is_and_keeps_the_rest() -> None:
    random = np.random.default_rng(3)
    identity = np.zeros(6)
    identity[0], trace = 1.0, np.eye(6)[4]
    faces = random.normal(size=(200, 1)) * 10 * identity + random.normal(size=(200, 6)) * 0.1
    projection = fit_projection(faces, 1)
    person = projection.apply(faces[:1] + 7 * identity) - projection.apply(faces[:1])
    assert np.abs(person).max() < 0.1
    traced = projection.apply(faces[:1] + 7 * trace) - projection.apply(faces[:1])
    assert traced[0, 4] == pytest.approx(7, rel=0.01)


@pytest.mark.parametrize(
    ("shape", "removed"), [((10, 4), 0), ((10, 4), 5), ((3, 10), 3), ((1, 4), 1), ((10,), 1)]
)
def test_impossible_projection_is_refused(shape: tuple[int, ...], removed: int) -> None:
    with pytest.raises(ValueError, match=r"removed|two rows"):
        fit_projection(np.random.default_rng(0).normal(size=shape), removed)
