"""Pictures found by words: a text tower of CLIP's architecture, and an index of its pair."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.integration.storage.intelligence_rows import activate, register, without_models
from tests.text_towers import DIMENSION, make_weights, write_tower

from cinemill.capabilities.search.similar_pictures import find_pictures_by_words
from cinemill.core.retrieval.hits import SearchFilters, SearchScope
from cinemill.core.retrieval.passages import Passage, PassageTrack
from cinemill.errors import InputRejected, NotFound, ToolMissing
from cinemill.inference.models.cards import ModelCard
from cinemill.inference.text import text_tower
from cinemill.inference.text.text_tower import open_text_tower
from cinemill.storage.database import Database
from cinemill.storage.retrieval import models
from cinemill.storage.retrieval.models import EmbeddingModel
from cinemill.storage.retrieval.passages import save_passages
from cinemill.storage.retrieval.vectors import save_vectors

KEYFRAME = PassageTrack.KEYFRAME
SCOPE = SearchScope("ann")
SHOWN = ("a red car", "a blue dog", "the rider at the wall")
"""What the pictures show: vectors of such words with noise stand for those of the image tower."""


@pytest.fixture
def models_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of models in which the image tower ``tiny`` has a text tower."""
    folder = tmp_path / "models"
    card = write_tower(folder / "tiny-text", make_weights(), image_tower="tiny")
    cards: dict[str, ModelCard] = {card.name: card}
    monkeypatch.setattr(text_tower, "list_cards", lambda _folder: cards)
    return folder


@pytest.fixture
def library(database: Database, models_dir: Path) -> Iterator[Database]:
    with without_models(database):
        register(database, "film")
        begin(database, "tiny", dimension=DIMENSION)
        yield database


def begin(database: Database, name: str, *, dimension: int) -> EmbeddingModel:
    with database.begin() as connection:
        return models.register_model(
            connection,
            space="picture",
            name=name,
            revision="1",
            dimension=dimension,
            tracks=[KEYFRAME],
        )


def show(database: Database, folder: Path) -> None:
    """Store pictures and their vectors, and make them searchable."""
    with database.begin() as connection:
        (model,) = models.list_models(connection)
        passages = [
            Passage(at, KEYFRAME, at * 1000, at * 1000 + 1000, "", frame_ms=at * 1000)
            for at in range(len(SHOWN))
        ]
        ids = save_passages(connection, "film", KEYFRAME, passages)
        pure = open_text_tower("tiny", folder).embed(SHOWN)
        noise = np.random.default_rng(1).standard_normal(pure.shape) * 0.05
        save_vectors(connection, model, dict(zip(ids, pure + noise, strict=True)))
    activate(database, model)


def test_picture_is_found_by_what_it_shows(library: Database, models_dir: Path) -> None:
    show(library, models_dir)
    for at, words in enumerate(SHOWN):
        found = find_pictures_by_words(library, SCOPE, words, models_dir=models_dir)
        assert len(found) == len(SHOWN)
        assert (found[0].asset_id, found[0].frame_ms) == ("film", at * 1000)
        assert found[0].score > 0.9
    elsewhere = SearchFilters(asset_ids=("other",))
    assert (
        find_pictures_by_words(library, SCOPE, "car", models_dir=models_dir, filters=elsewhere)
        == []
    )
    assert find_pictures_by_words(library, SearchScope("bob"), "car", models_dir=models_dir) == []


def test_index_without_pictures_says_so(library: Database, models_dir: Path) -> None:
    with pytest.raises(NotFound) as refused:
        find_pictures_by_words(library, SCOPE, "a car", models_dir=models_dir)
    assert (refused.value.code, refused.value.http_status) == ("pictures_not_indexed", 409)


def test_no_words_find_nothing(library: Database, models_dir: Path) -> None:
    with pytest.raises(InputRejected) as refused:
        find_pictures_by_words(library, SCOPE, " \n", models_dir=models_dir)
    assert refused.value.code == "query_empty"


def test_text_tower_of_another_dimension_is_refused(database: Database, models_dir: Path) -> None:
    with without_models(database):
        activate(database, begin(database, "tiny", dimension=DIMENSION + 1))
        with pytest.raises(ToolMissing) as changed:
            find_pictures_by_words(database, SCOPE, "a car", models_dir=models_dir)
    assert changed.value.code == "model_changed"
    assert f"gives {DIMENSION} numbers" in changed.value.message
