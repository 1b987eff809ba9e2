"""Vectors of moments: the cosine of two is the mean of the cosines of their parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cinemill.capabilities.embeddings.late_fusion import (
    TEXT_WEIGHT,
    fuse,
    name_fusion,
    name_revision,
)

TEXTS, PICTURES = 5, 7


def draw(seed: int, dimension: int, *, length: float = 1.0) -> NDArray[np.float32]:
    vector = np.random.default_rng(seed).standard_normal(dimension)
    return (vector / np.linalg.norm(vector) * length).astype(np.float32)


@given(st.integers(0, 10**6), st.floats(0.01, 100))
def test_cosine_is_the_mean_of_both(seed: int, length: float) -> None:
    texts = [draw(seed, TEXTS, length=length), draw(seed + 1, TEXTS)]
    pictures = [draw(seed + 2, PICTURES, length=1 / length), draw(seed + 3, PICTURES)]
    one, other = (
        fuse(said, shown, text_dimension=TEXTS) for said, shown in zip(texts, pictures, strict=True)
    )
    assert one.shape == (TEXTS + PICTURES,)
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
    expected = TEXT_WEIGHT * float(texts[0] @ texts[1]) / length
    expected += (1 - TEXT_WEIGHT) * float(pictures[0] @ pictures[1]) * length
    assert float(one @ other) == pytest.approx(expected, abs=1e-5)


def test_moment_without_text_is_its_picture() -> None:
    shown = draw(1, PICTURES, length=3)
    for said in (None, np.zeros(TEXTS, np.float32)):
        fused = fuse(said, shown, text_dimension=TEXTS)
        assert not fused[:TEXTS].any()
        assert fused[TEXTS:] == pytest.approx(shown / 3, abs=1e-6)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (draw(1, TEXTS), np.zeros(PICTURES, np.float32)),
        (draw(1, TEXTS), np.full(PICTURES, np.nan, np.float32)),
        (draw(1, TEXTS + 1), draw(2, PICTURES)),
    ],
    ids=["zero", "not a number", "another dimension"],
)
def test_what_cannot_be_fused_is_refused(
    said: NDArray[np.float32], shown: NDArray[np.float32]
) -> None:
    with pytest.raises(ValueError, match="vector"):
        fuse(said, shown, text_dimension=TEXTS)


def test_fusion_changes_with_either_model() -> None:
    assert name_fusion("words", "looks") == "words+looks"
    revisions = {name_revision(text, picture) for text in "ab" for picture in "ab"}
    assert len(revisions) == 4
    assert len(name_revision("a" * 64, "b" * 64)) <= 200
