"""A new embedding model is filled next to the old one, counted and switched to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike
from sqlalchemy import text
from tests.integration.storage.intelligence_rows import (
    DIMENSION,
    SPEECH,
    activate,
    begin_model,
    fill,
    make_vector,
    register,
    tell,
    without_models,
)

from cinemill.core.retrieval.hits import SearchScope
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.core.retrieval.queries import CandidateQuery
from cinemill.errors import CinemillError, Conflict, InputRejected, LockTimeout, NotFound
from cinemill.storage.database import Database
from cinemill.storage.media import assets
from cinemill.storage.retrieval import models, vectors
from cinemill.storage.retrieval.models import EmbeddingModel, ModelState
from cinemill.storage.retrieval.search import find_candidates
from cinemill.storage.retrieval.vectors import PassageText

TEXTS = [f"passage number {number}" for number in range(10)]


@pytest.fixture
def library(database: Database) -> Iterator[Database]:
    with without_models(database):
        register(database, "film")
        tell(database, "film", TEXTS)
        yield database


def list_partitions(database: Database) -> set[str]:
    query = text(
        "SELECT relname FROM pg_class WHERE relname ~ '^embedding_[0-9]' AND relkind = 'r'"
    )
    with database.begin() as connection:
        return set(connection.execute(query).scalars())


def find_active(database: Database, space: str = "text") -> EmbeddingModel | None:
    with database.begin() as connection:
        return models.find_active_model(connection, space)


def count_missing(database: Database, model: EmbeddingModel) -> int:
    with database.begin() as connection:
        return models.count_missing(connection, model)


def find_nearest(database: Database, model: EmbeddingModel, words: str) -> str:
    vector = make_vector(words, model.dimension).tolist()
    query = CandidateQuery(SearchScope("ann"), vector=vector, model_id=model.id, limit=1)
    with database.begin() as connection:
        (found,) = find_candidates(connection, query)
    return found.text


def drop_retired(database: Database) -> list[EmbeddingModel]:
    with database.begin() as connection:
        return models.drop_retired(connection)


def test_model_is_filled_in_batches_and_used_once_it_is_complete(library: Database) -> None:
    model = begin_model(library)
    assert find_active(library) is None
    assert count_missing(library, model) == 10
    assert fill(library, model, batch_size=3) == 10
    active = activate(library, model)
    assert (active.state, active.dimension) == (ModelState.ACTIVE, DIMENSION)
    assert find_active(library) == active
    assert find_nearest(library, active, TEXTS[4]) == TEXTS[4]


def test_new_model_of_another_dimension_takes_the_place_of_the_old_one(library: Database) -> None:
    old = begin_model(library)
    fill(library, old)
    old = activate(library, old)
    new = begin_model(library, "larger", dimension=12)
    fill(library, new)
    assert find_active(library) == old
    assert find_nearest(library, old, TEXTS[4]) == TEXTS[4]
    new = activate(library, new)
    assert find_active(library) == new
    # Searches that began with the old one still find its vectors.
    assert find_nearest(library, old, TEXTS[4]) == TEXTS[4]
    assert [one.id for one in drop_retired(library)] == [old.id]
    assert list_partitions(library) == {new.partition}
    assert find_nearest(library, new, TEXTS[4]) == TEXTS[4]
    with library.begin() as connection:
        assert models.list_models(connection) == [new]


def test_model_with_a_passage_missing_cannot_be_switched_to(library: Database) -> None:
    old = begin_model(library)
    fill(library, old)
    old = activate(library, old)
    new = begin_model(library, "new")
    fill(library, new)
    models.build_index(library, new)
    register(library, "late")
    tell(library, "late", ["said meanwhile"])
    with pytest.raises(Conflict) as refused, library.begin() as connection:
        models.activate_model(connection, new.id)
    assert refused.value.code == "embedding_model_incomplete"
    assert "1 passages have no vector" in refused.value.message
    assert find_active(library) == old
    assert fill(library, new) == 1
    assert activate(library, new).state is ModelState.ACTIVE


def test_model_without_its_index_cannot_be_switched_to(library: Database) -> None:
    model = begin_model(library)
    fill(library, model)
    with pytest.raises(Conflict, match="index is not built"), library.begin() as connection:
        models.activate_model(connection, model.id)
    models.build_index(library, model)
    models.build_index(library, model)
    with library.begin() as connection:
        assert models.activate_model(connection, model.id).state is ModelState.ACTIVE


def test_index_that_was_left_unfinished_is_built_again(library: Database) -> None:
    model = begin_model(library)
    fill(library, model)
    stop_building(library, model)
    with pytest.raises(Conflict, match="index is not built"), library.begin() as connection:
        models.activate_model(connection, model.id)
    models.build_index(library, model)
    assert activate(library, model).state is ModelState.ACTIVE


def test_index_is_built_without_shared_memory_where_there_is_too_little(
    library: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = begin_model(library)
    fill(library, model)
    with library.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {model.partition} SET (parallel_workers = 2)")
    # More than any machine has: as shared memory it cannot be had, and one process asks for none.
    monkeypatch.setattr(models, "LEAST_BUILD_MB", 2_000_000)
    assert activate(library, model).state is ModelState.ACTIVE


def stop_building(database: Database, model: EmbeddingModel) -> None:
    """Leave an index as one that was interrupted: it waits for a lock, and then is cancelled."""
    statement = (
        f"CREATE INDEX CONCURRENTLY {model.index} ON {model.partition} "
        "USING hnsw (embedding halfvec_cosine_ops)"
    )
    with database.begin() as blocking:
        # Whoever builds an index waits for transactions that write to its table.
        blocking.exec_driver_sql(f"LOCK TABLE {model.partition} IN ROW EXCLUSIVE MODE")
        with pytest.raises(LockTimeout), database.once() as connection:
            connection.exec_driver_sql(statement)


def test_interrupted_filling_goes_on_where_it_was(library: Database) -> None:
    model = begin_model(library)
    seen: list[int] = []

    def embed(batch: Sequence[PassageText]) -> list[ArrayLike]:
        seen.append(len(batch))
        return [make_vector(one.text) for one in batch]

    def stop(filled: int, _share: float) -> None:
        if filled >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vectors.fill_model(library, model.id, embed, batch_size=4, on_progress=stop)
    assert count_missing(library, model) == 2
    assert vectors.fill_model(library, model.id, embed, batch_size=4) == 2
    assert seen == [4, 4, 2]


def test_filling_can_be_stopped_where_nothing_is_missing(
    library: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that has nearly all vectors is looked through for minutes."""
    monkeypatch.setattr(vectors, "SCANNED_AT_ONCE", 2)
    model = begin_model(library)
    fill(library, model)
    pages: list[tuple[int, float]] = []

    def embed(_batch: Sequence[PassageText]) -> list[ArrayLike]:
        raise AssertionError("nothing is missing")

    def note(filled: int, share: float) -> None:
        pages.append((filled, share))

    assert vectors.fill_model(library, model.id, embed, on_progress=note) == 0
    assert len(pages) == 6  # of ten passages, and the end
    assert {filled for filled, _ in pages} == {0}
    shares = [share for _, share in pages]
    assert shares == sorted(shares)
    assert 0 < shares[0] < 1
    assert shares[-1] == 1
    pages.clear()
    vectors.fill_model(library, model.id, embed, on_progress=note, should_go_on=lambda: False)
    assert len(pages) == 1


def test_passages_of_tracks_that_a_model_does_not_embed_are_not_missing(library: Database) -> None:
    with library.begin() as connection:
        model = models.register_model(
            connection, space="image", name="clip", revision="", dimension=4, tracks=[]
        )
    assert count_missing(library, model) == 0


def test_models_of_two_spaces_are_active_at_once(library: Database) -> None:
    for space in ("text", "image"):
        model = begin_model(library, space=space)
        fill(library, model)
        activate(library, model)
    spaces = (find_active(library, "text"), find_active(library, "image"))
    assert [one.space for one in spaces if one] == ["text", "image"]


def test_same_model_is_registered_once_and_never_with_another_dimension(library: Database) -> None:
    model = begin_model(library)
    assert begin_model(library) == model
    with pytest.raises(Conflict) as changed:
        begin_model(library, dimension=9)
    assert changed.value.code == "embedding_dimension_changed"


def test_tracks_of_a_model_are_those_that_it_was_registered_with_last(library: Database) -> None:
    tell(library, "film", ["a sign"], track=PassageTrack.TEXT)
    model = begin_model(library)
    assert fill(library, model) == 11
    with library.begin() as connection:
        again = models.register_model(
            connection,
            space=model.space,
            name=model.name,
            revision=model.revision,
            dimension=DIMENSION,
            tracks=[SPEECH],
        )
        stored = text(f"SELECT count(*) FROM {model.partition}")
        assert connection.execute(stored).scalar_one() == 10  # not the sign's
    assert (again.id, again.tracks) == (model.id, (SPEECH,))
    assert count_missing(library, again) == 0


def test_only_a_model_without_vectors_that_searches_do_not_use_is_dropped(
    library: Database,
) -> None:
    model = begin_model(library)
    with library.begin() as connection:
        assert models.drop_if_empty(connection, model.id)
        assert models.list_models(connection) == []
    assert list_partitions(library) == set()
    model = begin_model(library)
    fill(library, model)
    with library.begin() as connection:
        assert not models.drop_if_empty(connection, model.id)
        assets.delete_asset(connection, "film")
    activate(library, model)
    with library.begin() as connection:
        assert not models.drop_if_empty(connection, model.id)


def test_retired_model_can_be_filled_and_used_again(library: Database) -> None:
    first, second = begin_model(library), begin_model(library, "second")
    for model in (first, second):
        fill(library, model)
        activate(library, model)
    assert begin_model(library).state is ModelState.FILLING
    assert activate(library, first).state is ModelState.ACTIVE
    assert [one.id for one in drop_retired(library)] == [second.id]


def test_two_workers_drop_a_retired_model_once(library: Database) -> None:
    model = begin_model(library)
    with library.begin() as connection:
        connection.execute(text("UPDATE embedding_model SET state = 'retired'"))
    with library.begin() as first:
        assert [one.id for one in models.drop_retired(first)] == [model.id]
        assert drop_retired(library) == []  # the second one's, meanwhile
    assert list_partitions(library) == set()


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 201},
        {"name": "a\nb"},
        {"space": ""},
        {"revision": "\x00"},
        {"dimension": 0},
        {"dimension": 4001},
    ],
)
def test_unusable_models_are_rejected(library: Database, wrong: dict[str, Any]) -> None:
    values = {"space": "text", "name": "x", "revision": "", "dimension": 8, "tracks": [SPEECH]}
    with pytest.raises(InputRejected) as refused, library.begin() as connection:
        models.register_model(connection, **{**values, **wrong})
    assert refused.value.code == "embedding_model_invalid"


def test_name_of_a_model_is_no_part_of_a_statement(library: Database) -> None:
    model = begin_model(library, 'x"; DROP TABLE passage; --')
    fill(library, model)
    assert find_nearest(library, activate(library, model), TEXTS[1]) == TEXTS[1]


@pytest.mark.parametrize(
    "vector",
    [[1.0] * 7, [[1.0] * 8], [0.0] * 8, [float("nan")] * 8, [70000.0] * 8, [1e-9] * 8, []],
)
def test_unusable_vectors_are_rejected_with_nothing_stored(library: Database, vector: Any) -> None:
    model = begin_model(library)
    with library.begin() as connection:
        batch = vectors.list_missing(connection, model, limit=2).missing
    with pytest.raises(InputRejected) as refused, library.begin() as connection:
        given = {batch[0].id: make_vector("fine"), batch[1].id: vector}
        vectors.save_vectors(connection, model, given)
    assert refused.value.code == "embedding_invalid"
    assert count_missing(library, model) == 10


def test_embedder_that_returns_too_few_vectors_is_reported(library: Database) -> None:
    model = begin_model(library)
    with pytest.raises(InputRejected, match="10 passages gave 1 embeddings"):
        vectors.fill_model(library, model.id, lambda _batch: [make_vector("one")])


def test_vector_is_read_as_it_was_stored_by_its_owner_only(library: Database) -> None:
    model = begin_model(library)
    fill(library, model)
    with library.begin() as connection:
        one = connection.execute(text("SELECT id::text, text FROM passage LIMIT 1")).one()
        stored = vectors.get_vector(connection, model, "ann", one[0])
        np.testing.assert_allclose(stored, make_vector(one[1]), atol=1e-3)
        for owner, identity in (("bob", one[0]), ("ann", "no id")):
            with pytest.raises(NotFound):
                vectors.get_vector(connection, model, owner, identity)


def test_vector_of_a_passage_deleted_meanwhile_is_left_out(library: Database) -> None:
    model = begin_model(library)
    with library.begin() as connection:
        batch = vectors.list_missing(connection, model).missing
        assets.delete_asset(connection, "film")
    with library.begin() as connection:
        vectors.save_vectors(connection, model, {one.id: make_vector(one.text) for one in batch})
    assert count_missing(library, model) == 0


def test_filling_a_model_that_was_dropped_ends(library: Database) -> None:
    model = begin_model(library)
    with library.begin() as connection:
        connection.execute(text("UPDATE embedding_model SET state = 'retired'"))
    drop_retired(library)
    with pytest.raises(CinemillError) as ended:
        fill(library, model)
    assert ended.value.code == "embedding_model_not_found"
