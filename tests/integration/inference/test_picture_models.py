"""Models that compare pictures: the real image tower, and a text tower of CLIP's architecture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.faces import read_frames
from tests.model_files import fetch_models
from tests.text_towers import DIMENSION, WORDS, make_weights, run_tower, write_tower

from cinemill.errors import ToolMissing
from cinemill.inference.models.cards import ModelRole
from cinemill.inference.models.catalog import MODELS
from cinemill.inference.text import text_tower
from cinemill.inference.text.text_tower import TextTower, find_text_tower, open_text_tower
from cinemill.inference.vision.embedder import (
    DEFAULT_MODEL,
    PictureEmbedder,
    find_picture_card,
    open_picture_embedder,
    use_picture_embedder,
)


@pytest.fixture(scope="module")
def folder() -> Path:
    return fetch_models(DEFAULT_MODEL)


@pytest.fixture(scope="module")
def embedder(folder: Path) -> PictureEmbedder:
    return open_picture_embedder(DEFAULT_MODEL, folder, threads=1)


def test_pictures_of_one_scene_are_nearer_than_others(embedder: PictureEmbedder) -> None:
    riders = [frame.pixels for frame in read_frames("carphone", 2)]
    speaker = read_frames("obama_speech", 1)[0].pixels
    vectors = embedder.embed([*riders, speaker])
    assert vectors.shape == (3, embedder.dimension) == (3, 512)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    cosines = vectors @ vectors.T
    assert cosines[0, 1] > 0.85
    assert cosines[0, 2] < 0.75


def test_vector_of_a_picture_does_not_depend_on_the_others(embedder: PictureEmbedder) -> None:
    pictures = [frame.pixels for frame in read_frames("bikes", 3)]
    together = embedder.embed(pictures)
    alone = np.concatenate([embedder.embed([one]) for one in reversed(pictures)])[::-1]
    assert np.array_equal(together, alone)
    assert embedder.embed([]).shape == (0, 512)


def test_worker_and_server_give_the_same_vectors(embedder: PictureEmbedder, folder: Path) -> None:
    picture = read_frames("bikes", 1)[0].pixels
    with use_picture_embedder(find_picture_card(DEFAULT_MODEL, folder), folder) as other:
        assert other.model_id == embedder.model_id
        (here,), (there,) = embedder.embed([picture]), other.embed([picture])
    assert float(here @ there) > 0.999


def test_model_for_something_else_is_refused(folder: Path) -> None:
    for name in ("efficientnet-lite0", "no-such-model"):
        with pytest.raises(ToolMissing) as refused:
            find_picture_card(name, folder)
        assert refused.value.code == "model_unknown"


def test_text_tower_gives_what_its_architecture_says(tmp_path: Path) -> None:
    weights = make_weights()
    card = write_tower(tmp_path / "tiny-text", weights, image_tower="tiny")
    tower = TextTower(card, tmp_path / "tiny-text", threads=1)
    start, end = len(WORDS) + 1, len(WORDS) + 2
    ids = [start, *(WORDS.index(word) for word in ("a", "red", "car")), end]
    texts = ["A red car", "a blue dog at the wall", ""]
    vectors = tower.embed(texts)
    assert vectors.shape == (3, DIMENSION)
    assert vectors[0] == pytest.approx(run_tower(weights, ids), abs=1e-4)
    assert vectors[2] == pytest.approx(run_tower(weights, [start, end]), abs=1e-4)
    # Longer texts than the model was trained on are cut, with their end kept.
    longest = tower.embed(["car " * 75])
    assert tower.embed(["car " * 500]) == pytest.approx(longest, abs=1e-6)


def test_text_tower_belongs_to_one_image_tower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = write_tower(tmp_path / "tiny-text", make_weights(), image_tower="tiny")
    monkeypatch.setattr(text_tower, "list_cards", lambda _folder: {card.name: card})
    assert find_text_tower("tiny", tmp_path) == card
    assert open_text_tower("tiny", tmp_path).dimension == DIMENSION
    with pytest.raises(ToolMissing) as refused:
        open_text_tower("other", tmp_path)
    assert refused.value.code == "text_tower_missing"
    assert "CINEMILL_PICTURE_EMBEDDING" in refused.value.hint


def test_text_tower_that_is_not_here_says_how_to_fetch_it(tmp_path: Path) -> None:
    (card,) = [one for one in MODELS.values() if one.role is ModelRole.TEXT_TOWER]
    assert card.is_pinned
    assert MODELS[card.image_tower].role is ModelRole.IMAGE_EMBEDDING
    with pytest.raises(ToolMissing) as missing:
        open_text_tower(card.image_tower, tmp_path)
    assert missing.value.code == "text_tower_missing"
    assert f"cinemill models fetch {card.name}" in missing.value.hint
