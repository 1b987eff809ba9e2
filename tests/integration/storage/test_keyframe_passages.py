"""Passages of key frames: found by vectors only, with what is said at the same moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from numpy.typing import ArrayLike
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from tests.integration.storage.intelligence_rows import (
    DIMENSION,
    make_vector,
    register,
    tell,
    without_models,
)

from cinemill.core.retrieval.hits import SearchScope
from cinemill.core.retrieval.passages import Passage, PassageTrack
from cinemill.core.retrieval.queries import CandidateQuery
from cinemill.storage.database import Database
from cinemill.storage.media import assets
from cinemill.storage.retrieval import models, vectors
from cinemill.storage.retrieval.models import EmbeddingModel
from cinemill.storage.retrieval.moments import (
    find_shown_passage,
    list_keyframe_ids,
    read_moments,
)
from cinemill.storage.retrieval.passages import (
    count_passages,
    delete_passages,
    list_passages,
    save_passages,
)
from cinemill.storage.retrieval.search import find_candidates
from cinemill.storage.retrieval.vectors import PassageText

KEYFRAME = PassageTrack.KEYFRAME
SCOPE = SearchScope("ann")


@pytest.fixture
def library(database: Database) -> Iterator[Database]:
    with without_models(database):
        register(database, "film")
        yield database


def show(database: Database, asset_id: str, *ranges: tuple[int, int, int]) -> list[str]:
    """Store passages of pictures: start, end and the time of the picture."""
    passages = [
        Passage(number, KEYFRAME, start_ms, end_ms, "", frame_ms=frame_ms)
        for number, (start_ms, end_ms, frame_ms) in enumerate(ranges)
    ]
    with database.begin() as connection:
        return save_passages(connection, asset_id, KEYFRAME, passages)


def begin(database: Database, space: str, *tracks: PassageTrack) -> EmbeddingModel:
    with database.begin() as connection:
        return models.register_model(
            connection, space=space, name=space, revision="1", dimension=DIMENSION, tracks=tracks
        )


def fill(database: Database, model: EmbeddingModel, *, without: Sequence[str] = ()) -> int:
    def embed(passages: Sequence[PassageText]) -> list[ArrayLike | None]:
        return [
            None if one.id in without else make_vector(f"{one.text}{one.frame_ms}")
            for one in passages
        ]

    return vectors.fill_model(database, model.id, embed, batch_size=2)


def test_picture_is_stored_with_its_moment_and_found_by_its_vector(library: Database) -> None:
    first, second = show(library, "film", (0, 4000, 1500), (4000, 9000, 1500))
    model = begin(library, "picture", KEYFRAME)
    assert fill(library, model) == 2
    query = CandidateQuery(
        SCOPE, vector=make_vector("1500").tolist(), model_id=model.id, text="anything"
    )
    with library.begin() as connection:
        stored, _ = list_passages(connection, "film", KEYFRAME)
        found = {one.passage_id: one for one in find_candidates(connection, query)}
    assert (stored.id, stored.passage.frame_ms) == (first, 1500)
    assert found.keys() == {first, second}
    assert {one.frame_ms for one in found.values()} == {1500}
    assert found[first].scores.vector == pytest.approx(1, abs=1e-3)
    assert found[first].scores.text is None


def test_passage_with_another_picture_is_another(library: Database) -> None:
    (one,) = show(library, "film", (0, 4000, 1500))
    assert show(library, "film", (0, 4000, 1500)) == [one]
    assert show(library, "film", (0, 4000, 1600)) != [one]


def test_texts_have_no_picture_and_pictures_have_one(library: Database) -> None:
    for track, frame_ms in ((KEYFRAME, None), (PassageTrack.SPEECH, 5), (KEYFRAME, -1)):
        passage = Passage(0, track, 0, 10, "", frame_ms=frame_ms)
        with pytest.raises(IntegrityError), library.begin() as connection:
            save_passages(connection, "film", track, [passage])


def test_model_of_texts_does_not_wait_for_pictures(library: Database) -> None:
    show(library, "film", (0, 4000, 1500))
    tell(library, "film", ["said"])
    texts = begin(library, "text", PassageTrack.SPEECH)
    assert fill(library, texts) == 1
    with library.begin() as connection:
        assert models.count_missing(connection, texts) == 0
        assert count_passages(connection, "film") == {KEYFRAME: 1, PassageTrack.SPEECH: 1}


def test_passage_that_cannot_be_embedded_stays_missing(library: Database) -> None:
    ids = show(library, "film", (0, 1000, 1), (1000, 2000, 2), (2000, 3000, 3))
    model = begin(library, "picture", KEYFRAME)
    assert fill(library, model, without=[ids[0]]) == 2
    with library.begin() as connection:
        assert models.count_missing(connection, model) == 1
        delete_passages(connection, [ids[0], "no id"])
        assert models.count_missing(connection, model) == 0
    assert fill(library, model) == 0


def test_texts_of_a_moment_are_those_around_its_middle(library: Database) -> None:
    # Said from 0 to 10 s, 10 to 20 s and 20 to 30 s.
    tell(library, "film", ["first", "second", "third"])
    ids = show(library, "film", (0, 4000, 100), (4000, 21_000, 5000), (21_000, 60_000, 30_000))
    texts = begin(library, "text", PassageTrack.SPEECH)
    pictures = begin(library, "picture", KEYFRAME)
    fill(library, texts)
    fill(library, pictures)
    with library.begin() as connection:
        found = read_moments(connection, ids, pictures=pictures, texts=texts)
        assert list_keyframe_ids(connection, "film") == ids
    spoken = [make_vector(f"{words}None") for words in ("first", "second", "third")]
    expected = [spoken[0], (spoken[0] + spoken[1]) / 2, spoken[2]]
    # The first text's middle is at 5 s, in the second shot; the first shot's is in the first text.
    for one, vector in zip(ids, expected, strict=True):
        assert found[one].text == pytest.approx(vector, abs=2e-3)
    assert found[ids[1]].picture == pytest.approx(make_vector("5000"), abs=1e-3)


def test_moment_without_text_or_picture(library: Database) -> None:
    ids = show(library, "film", (0, 4000, 100), (4000, 8000, 5000))
    texts = begin(library, "text", PassageTrack.SPEECH)
    pictures = begin(library, "picture", KEYFRAME)
    fill(library, pictures, without=[ids[1]])
    with library.begin() as connection:
        found = read_moments(connection, ids, pictures=pictures, texts=texts)
    assert found.keys() == {ids[0]}
    assert found[ids[0]].text is None


def test_picture_of_a_time_is_that_of_the_nearest_passage(library: Database) -> None:
    register(library, "other")
    first, second = show(library, "film", (0, 4000, 100), (6000, 8000, 7000))
    cases = {0: first, 3999: first, 4500: first, 5500: second, 6000: second, 10**9: second}
    with library.begin() as connection:
        for time_ms, expected in cases.items():
            assert find_shown_passage(connection, "ann", "film", time_ms) == expected
        assert find_shown_passage(connection, "ann", "other", 0) is None
        assert find_shown_passage(connection, "bob", "film", 0) is None


def test_vectors_of_pictures_go_with_their_video(library: Database) -> None:
    show(library, "film", (0, 4000, 100))
    model = begin(library, "picture", KEYFRAME)
    fill(library, model)
    with library.begin() as connection:
        assets.delete_asset(connection, "film")
        rows = connection.execute(text(f"SELECT count(*) FROM {model.partition}"))
        assert rows.scalar_one() == 0


def test_vectors_of_another_dimension_are_refused(library: Database) -> None:
    show(library, "film", (0, 4000, 100))
    model = begin(library, "picture", KEYFRAME)
    with pytest.raises(Exception, match="shape") as refused:
        vectors.fill_model(library, model.id, lambda many: [np.ones(3) for _ in many])
    assert getattr(refused.value, "code", "") == "embedding_invalid"
