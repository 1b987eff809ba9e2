"""Gaps between passages are compared by the means of their vectors, in the database."""

from __future__ import annotations

import numpy as np
import pytest
from tests.integration.storage.intelligence_rows import (
    SPEECH,
    begin_model,
    fill,
    make_vector,
    register,
    tell,
    without_models,
)

from cinemill.core.retrieval.passages import PassageTrack
from cinemill.storage.database import Database
from cinemill.storage.retrieval.models import EmbeddingModel
from cinemill.storage.retrieval.passage_similarity import measure_gap_similarities

TEXTS = [f"passage {number}" for number in range(7)]


def measure(
    database: Database, model: EmbeddingModel, *, window: int, limit: int = 100
) -> list[float] | None:
    with database.begin() as connection:
        return measure_gap_similarities(
            connection, "film", SPEECH, model, window=window, limit=limit
        )


def expect(count: int, window: int) -> list[float]:
    """Compute the same from the vectors themselves."""
    vectors = np.stack([make_vector(text) for text in TEXTS[:count]])
    found = []
    for gap in range(1, count):
        before = vectors[max(0, gap - window) : gap].mean(axis=0)
        after = vectors[gap : gap + window].mean(axis=0)
        found.append(before @ after / np.linalg.norm(before) / np.linalg.norm(after))
    return found


@pytest.mark.parametrize("window", [1, 3, 20])
def test_gaps_are_compared_by_means_of_windows(database: Database, window: int) -> None:
    register(database, "film")
    register(database, "other")
    tell(database, "film", TEXTS)
    tell(database, "film", ["on the screen"], track=PassageTrack.TEXT)
    tell(database, "other", ["elsewhere"])
    with without_models(database):
        model = begin_model(database)
        fill(database, model)
        assert measure(database, model, window=window) == pytest.approx(
            expect(len(TEXTS), window), abs=2e-3
        )
        assert measure(database, model, window=window, limit=3) == pytest.approx(
            expect(3, window), abs=2e-3
        )


def test_nothing_is_said_where_a_vector_is_missing(database: Database) -> None:
    register(database, "film")
    with without_models(database):
        model = begin_model(database)
        assert measure(database, model, window=3) is None
        tell(database, "film", TEXTS[:-1])
        fill(database, model)
        tell(database, "film", TEXTS)
        assert measure(database, model, window=3) is None
        fill(database, model)
        assert measure(database, model, window=3) is not None


def test_single_passage_has_no_gap(database: Database) -> None:
    register(database, "film")
    tell(database, "film", TEXTS[:1])
    with without_models(database):
        model = begin_model(database)
        fill(database, model)
        assert measure(database, model, window=3) == []
