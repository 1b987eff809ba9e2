"""Features are checked before they are stored, and versions of a model compared by retrieval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.vision_models import make_card, resnet_input

from cinemill.errors import WorkFailed
from cinemill.inference.models.cards import ForgeryScore, ModelCard, ModelOutput
from cinemill.inference.sessions.protocol import Images, Rows
from cinemill.inference.vision.agreement import measure_agreement
from cinemill.inference.vision.features import (
    LOGIT,
    extract_features,
    find_preprocessing_version,
    list_levels,
    stack_images,
)


class FixedSession:
    """A session that returns what the test wants it to."""

    device, memory_bytes, fallback_reason = "cpu", 0, ""

    def __init__(self, card: ModelCard, compute: Callable[[Images], Rows]) -> None:
        self.card, self.run = card, compute

    def release_memory(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def card(tmp_path: Path) -> ModelCard:
    (tmp_path / "w").write_bytes(b"w")
    return make_card(tmp_path / "w", resnet_input(8), (ModelOutput("out", 2, "deep"),))


def test_features_are_named_by_level(card: ModelCard) -> None:
    session = FixedSession(card, lambda images: {"out": np.full((len(images), 2), 1.5, np.float32)})
    found = extract_features(session, np.zeros((3, 8, 8, 3), np.uint8))
    assert found["deep"].dtype == np.float16
    assert found["deep"].tolist() == [[1.5, 1.5]] * 3


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_features_that_are_no_numbers_are_an_error(card: ModelCard, value: float) -> None:
    session = FixedSession(card, lambda images: {"out": np.full((1, 2), value, np.float32)})
    with pytest.raises(WorkFailed) as caught:
        extract_features(session, np.zeros((1, 8, 8, 3), np.uint8))
    assert caught.value.code == "features_invalid"


@pytest.mark.parametrize(
    ("score", "row", "logit"),
    [
        (ForgeryScore("out", forged=1, genuine=0), [-1.0, 2.0], 3.0),
        (ForgeryScore("out", forged=0), [-1.0, 2.0], -1.0),
        (ForgeryScore("out", forged=1, genuine=0, is_probability=True), [0.2, 0.8], np.log(4)),
        (ForgeryScore("out", forged=0, is_probability=True), [0.2, 0.0], np.log(0.25)),
        (ForgeryScore("out", forged=0, is_probability=True), [1.0, 0.0], np.log(1e6)),
        (ForgeryScore("out", forged=1, genuine=0, is_probability=True), [-3.0, 4.0], None),
        (ForgeryScore("out", forged=0, is_probability=True), [1.5, 0.0], None),
        (ForgeryScore("out", forged=0, is_probability=True), [np.nan, 0.0], None),
    ],
)
def test_detector_gives_one_logit(
    card: ModelCard, score: ForgeryScore, row: list[float], logit: float | None
) -> None:
    detector = replace(card, score=score)
    rows = np.array([row, row], np.float32)
    session = FixedSession(detector, lambda images: {"out": rows})
    assert list_levels(detector) == {LOGIT: 1}
    if logit is None:
        with pytest.raises(WorkFailed) as caught:
            extract_features(session, np.zeros((2, 8, 8, 3), np.uint8))
        assert caught.value.code == "features_invalid"
    else:
        found = extract_features(session, np.zeros((2, 8, 8, 3), np.uint8))
        assert found[LOGIT] == pytest.approx(np.full((2, 1), logit), rel=1e-3)


def test_pictures_of_any_size_are_stacked(card: ModelCard) -> None:
    session = FixedSession(card, lambda images: {})
    pictures = [np.full((size, size * 2, 3), size, np.uint8) for size in (5, 8, 200)]
    stacked = stack_images(session, pictures)
    assert stacked.shape == (3, 8, 8, 3)
    assert [int(picture.mean()) for picture in stacked] == [5, 8, 200]


def test_only_a_model_that_takes_no_square_has_another_version_of_its_pictures(
    card: ModelCard,
) -> None:
    """What is cached of the others was computed from the same pixels: crops of their very size."""
    assert card.image is not None
    oblong = replace(card, image=replace(card.image, width=12))
    assert [find_preprocessing_version(one) for one in (card, oblong)] == [1, 2]
    picture = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    stacked = stack_images(FixedSession(card, lambda images: {}), [picture])
    assert np.array_equal(stacked[0], picture)


def test_same_vectors_agree() -> None:
    vectors = np.random.default_rng(1).standard_normal((40, 16))
    found = measure_agreement(vectors, vectors * 3)
    assert found.retrieval == 1
    assert found.cosine == pytest.approx(1)


def test_other_vectors_do_not_agree_although_their_cosine_is_high() -> None:
    random = np.random.default_rng(1)
    common = 20 * np.ones(16)
    exact, other = (common + random.standard_normal((100, 16)) for _ in range(2))
    found = measure_agreement(exact, other)
    assert found.cosine > 0.99
    assert found.retrieval < 0.9


def test_few_pictures_prove_nothing() -> None:
    with pytest.raises(ValueError, match="at least 12"):
        measure_agreement(np.ones((5, 3)), np.ones((5, 3)))
