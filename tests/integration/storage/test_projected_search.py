"""What Qdrant proposes is found as PostgreSQL finds it alone, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import numpy as np
import pytest
from sqlalchemy import Connection, text
from tests.integration.storage.intelligence_rows import (
    activate,
    begin_model,
    mention,
    save,
    without_models,
)
from tests.integration.storage.rows import change, forget_everything
from tests.qdrant_servers import NO_INDEXES, open_closed, open_local, project

from cinemill.core.retrieval.hits import SearchFilters, SearchScope
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.core.retrieval.queries import CandidateQuery
from cinemill.storage.database import Database
from cinemill.storage.knowledge.entities import find_entities
from cinemill.storage.knowledge.evidence import PassageEvidence
from cinemill.storage.projection.filling import compare
from cinemill.storage.projection.nearest import ProjectedIndex
from cinemill.storage.projection.pages import read_page
from cinemill.storage.projection.rows import BEFORE_ALL, Projection
from cinemill.storage.projection.server import QdrantServer
from cinemill.storage.retrieval import search
from cinemill.storage.retrieval.models import EmbeddingModel
from cinemill.storage.retrieval.search import NearestIndex, find_candidates
from cinemill.storage.retrieval.vectors import save_vectors

pytestmark = pytest.mark.filterwarnings(NO_INDEXES)

DIMENSION = 32
ASSETS, PASSAGES_OF_ASSET = 60, 50
ANN, BOB = SearchScope("ann"), SearchScope("bob")
NO_FILTERS = SearchFilters()
ZARIF = "the entity"
FILTERS = {
    "none": SearchFilters(),
    "videos": SearchFilters(asset_ids=("asset-1", "asset-3", "asset-4")),
    "tracks": SearchFilters(tracks=(PassageTrack.TEXT, PassageTrack.PICTURE)),
    "languages": SearchFilters(languages=("de", "")),
    "speakers": SearchFilters(speakers=("speaker-1", "")),
    "nobody": SearchFilters(speakers=("",)),
    "after": SearchFilters(start_ms=200_000),
    "before": SearchFilters(end_ms=100_001),
    "within": SearchFilters(start_ms=99_999, end_ms=200_000),
    "created from": SearchFilters(created_from=datetime(2026, 1, 20, 6, tzinfo=UTC)),
    "created before": SearchFilters(created_to=datetime(2026, 1, 20)),  # noqa: DTZ001 - in UTC
    "labels": SearchFilters(labels=("Car",)),
    "certain labels": SearchFilters(labels=("Car",), least_confidence=0.8),
    "entities": SearchFilters(entity_ids=(ZARIF,)),
    "many": SearchFilters(
        tracks=(PassageTrack.SPEECH,),
        languages=("en",),
        start_ms=50_000,
        end_ms=400_000,
        created_from=datetime(2026, 1, 5, tzinfo=UTC),
        created_to=datetime(2026, 2, 20, tzinfo=UTC),
    ),
}
NOT_KEPT = {"labels", "certain labels", "entities"}

_FILL = f"""
INSERT INTO asset (id, owner, sha256, size_bytes, filename, collection, created_at)
SELECT 'asset-' || n, CASE n % 3 WHEN 0 THEN 'bob' ELSE 'ann' END, 'sha-' || n, 1, 'film.mp4',
       'collection-' || n % 4, timestamptz '2026-01-01Z' + n * interval '1 day'
FROM generate_series(1, {ASSETS}) AS n;
INSERT INTO passage (id, asset_id, owner, collection, track, number, start_ms, end_ms, text,
                     language, speaker)
SELECT md5(asset.id || '/' || n)::uuid, asset.id, owner, collection,
       CASE n % 4 WHEN 0 THEN 'text' WHEN 1 THEN 'picture' ELSE 'speech' END, n, n * 10000,
       n * 10000 + 10000, 'words ' || n, CASE n % 3 WHEN 0 THEN 'de' WHEN 1 THEN 'en' ELSE '' END,
       CASE n % 5 WHEN 0 THEN '' ELSE 'speaker-' || n % 5 END
FROM asset CROSS JOIN generate_series(0, {PASSAGES_OF_ASSET - 1}) AS n;
INSERT INTO finding_set (id, asset_id, kind, provider, model, version, params_digest, state)
SELECT md5(id)::uuid, id, 'object', 'local', 'm', 1, '', 'active' FROM asset;
INSERT INTO finding (set_id, part, number, start_ms, end_ms, label, label_key, confidence)
SELECT id, 0, n, n * 50000, n * 50000 + 9000, 'Car', 'car', 0.6 + 0.1 * n
FROM finding_set CROSS JOIN generate_series(0, 4) AS n
"""


@dataclass(frozen=True)
class Library:
    database: Database
    model: EmbeddingModel
    server: QdrantServer
    projection: Projection
    entity_id: str


@pytest.fixture(scope="module")
def library(migrated: Database) -> Iterator[Library]:
    forget_everything(migrated)
    with without_models(migrated):
        for statement in _FILL.split(";"):
            change(migrated, statement)
        said = list_ids(migrated, "asset_id IN ('asset-1', 'asset-2')")
        for asset_id in ("asset-1", "asset-2"):
            ids = list_ids(migrated, f"asset_id = '{asset_id}'")[:7]
            save(migrated, asset_id, [PassageEvidence(one, [mention("Zarif")]) for one in ids])
        assert len(said) == 2 * PASSAGES_OF_ASSET
        with migrated.begin() as connection:
            entity_id = find_entities(connection, "ann", ["Zarif"])["Zarif"][0]
        model = begin_model(migrated, dimension=DIMENSION)
        store_vectors(migrated, model)
        model = activate(migrated, model)
        server = open_local()
        yield Library(migrated, model, server, project(migrated, server, model), entity_id)
    forget_everything(migrated)
    change(migrated, "DELETE FROM vector_projection")


@pytest.fixture(autouse=True)
def _many_passages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Qdrant is asked where there are many more passages than a test can store."""
    monkeypatch.setattr(search, "FEW_ROWS", -1)


def list_ids(database: Database, condition: str) -> list[str]:
    with database.begin() as connection:
        found = connection.execute(text(f"SELECT id FROM passage WHERE {condition} ORDER BY id"))
        return [str(one) for one in found.scalars()]


def store_vectors(database: Database, model: EmbeddingModel) -> None:
    ids = list_ids(database, "true")
    drawn = np.random.default_rng(7).standard_normal((len(ids), DIMENSION))
    for first in range(0, len(ids), 500):
        batch = zip(ids[first : first + 500], drawn[first : first + 500], strict=True)
        with database.begin() as connection:
            save_vectors(connection, model, dict(batch))


def draw_queries(count: int) -> list[list[float]]:
    drawn = np.random.default_rng(11).standard_normal((count, DIMENSION))
    return [vector.tolist() for vector in drawn]


def find(
    library: Library,
    vector: Sequence[float],
    *,
    scope: SearchScope = ANN,
    filters: SearchFilters = NO_FILTERS,
    index: NearestIndex | None = None,
) -> dict[str, float | None]:
    """Return the cosines of what is found, by the ids of the passages."""
    model_id = library.model.id
    query = CandidateQuery(scope, filters, vector=vector, model_id=model_id, limit=20)
    with library.database.begin() as connection:
        found = find_candidates(connection, query, index)
    return {one.passage_id: one.scores.vector for one in found}


def find_exactly(
    library: Library,
    vector: Sequence[float],
    scope: SearchScope = ANN,
    filters: SearchFilters = NO_FILTERS,
) -> dict[str, float | None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "FEW_ROWS", 10 * ASSETS * PASSAGES_OF_ASSET)
        return find(library, vector, scope=scope, filters=filters)


class WatchedIndex(ProjectedIndex):
    """Counts how often it proposed something, and how often it left that to PostgreSQL."""

    def __init__(self, server: QdrantServer) -> None:
        super().__init__(server)
        self.proposed = self.left = 0

    def propose(
        self, connection: Connection, model: EmbeddingModel, query: CandidateQuery
    ) -> list[UUID] | None:
        found = super().propose(connection, model, query)
        self.proposed += found is not None
        self.left += found is None
        return found


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("collections", [(), ("collection-1", "collection-2")], ids=["all", "some"])
def test_same_passages_are_found_as_by_exact_distances(
    library: Library, name: str, collections: tuple[str, ...]
) -> None:
    filters = FILTERS[name]
    if filters.entity_ids:
        filters = replace(filters, entity_ids=(library.entity_id,))
    for owner in ("ann", "bob"):
        scope = SearchScope(owner, collections)
        index = WatchedIndex(library.server)
        for vector in draw_queries(4):
            exact = find_exactly(library, vector, scope, filters)
            assert find(library, vector, scope=scope, filters=filters, index=index) == exact
        assert (index.proposed, index.left) == ((0, 4) if name in NOT_KEPT else (4, 0))
        assert index.failure == ""


def test_every_filter_keeps_some_passages_and_not_all(library: Library) -> None:
    (vector,) = draw_queries(1)
    counts = {}
    for name, filters in FILTERS.items():
        if filters.entity_ids:
            filters = replace(filters, entity_ids=(library.entity_id,))
        counts[name] = len(find_exactly(library, vector, ANN, filters))
    assert {name for name, count in counts.items() if count == 0} == {"nobody"}
    assert counts["entities"] == 14


def test_another_owners_points_are_never_returned(library: Library) -> None:
    (vector,) = draw_queries(1)
    for scope in (ANN, BOB):
        found = library.server.find_nearest(
            library.projection.collection, vector, scope, SearchFilters(), limit=5000
        )
        owned = list_ids(library.database, f"owner = '{scope.owner}'")
        assert sorted(one.passage_id for one in found) == owned
        assert owned


def test_what_is_proposed_against_the_filters_is_not_found(library: Library) -> None:
    class Liar:
        """Proposes every passage of everybody, and some that nobody has."""

        def propose(self, *_: object) -> list[UUID]:
            return [uuid4(), *map(UUID, list_ids(library.database, "true")), uuid4()]

    (vector,) = draw_queries(1)
    scope, filters = SearchScope("ann", ("collection-1",)), FILTERS["many"]
    exact = find_exactly(library, vector, scope, filters)
    assert exact
    assert find(library, vector, scope=scope, filters=filters, index=Liar()) == exact


def test_point_of_a_passage_that_is_gone_takes_no_place(library: Library) -> None:
    (vector,) = draw_queries(1)
    with library.database.begin() as connection:
        (point,) = read_page(connection, library.model, after=BEFORE_ALL, limit=1)
    ghost = replace(point, passage_id=str(uuid4()), vector=vector, owner="ann")
    collection = library.projection.collection
    library.server.save(collection, [ghost])
    try:
        nearest = library.server.find_nearest(collection, vector, ANN, SearchFilters(), limit=1)
        assert [one.passage_id for one in nearest] == [ghost.passage_id]
        found = find(library, vector, index=ProjectedIndex(library.server))
    finally:
        library.server.delete(collection, [ghost.passage_id])
    assert ghost.passage_id not in found
    assert len(found) == 20
    assert found == find(library, vector)


@pytest.mark.parametrize("by_index", [True, False], ids=["by index", "exactly"])
def test_postgresql_searches_where_qdrant_lost_points(
    library: Library, by_index: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "is_index_better", lambda *_: by_index)

    class Lossy:
        """Proposes no more than one passage."""

        def propose(self, *_: object) -> list[UUID]:
            return [UUID(list_ids(library.database, "owner = 'ann'")[0])]

    (vector,) = draw_queries(1)
    for name in ("none", "many", "nobody"):
        found = find(library, vector, filters=FILTERS[name], index=Lossy())
        assert found == find(library, vector, filters=FILTERS[name])
        assert len(found) == {"none": 20, "nobody": 0}.get(name, len(found))


@pytest.mark.parametrize("by_index", [True, False], ids=["by index", "exactly"])
def test_postgresql_does_not_search_where_qdrant_proposes_enough(
    library: Library, by_index: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "is_index_better", lambda *_: by_index)
    ids = [UUID(one) for one in list_ids(library.database, "owner = 'ann'")[:25]]

    class Few:
        """Proposes passages that are there, near or not: what else is found is PostgreSQL's."""

        def propose(self, *_: object) -> list[UUID]:
            return ids

    (vector,) = draw_queries(1)
    found = find(library, vector, index=Few())
    assert len(found) == 20
    assert {*found} <= {*map(str, ids)}


def test_few_passages_are_compared_without_qdrant(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FEW_ROWS", 10 * ASSETS * PASSAGES_OF_ASSET)
    index = WatchedIndex(library.server)
    assert len(find(library, draw_queries(1)[0], index=index)) == 20
    assert (index.proposed, index.left) == (0, 0)


def test_postgresql_searches_alone_where_qdrant_does_not_respond(library: Library) -> None:
    (vector,) = draw_queries(1)
    alone = find(library, vector)
    with open_closed() as gone:
        index = ProjectedIndex(gone)
        assert find(library, vector, index=index) == alone
    assert index.failure.startswith("PostgreSQL's own index was searched.")


def test_collection_is_compared_with_what_postgresql_has(library: Library) -> None:
    found = compare(library.database, library.server, library.projection, library.model)
    assert (found.vectors, found.points, found.changes) == (3000, 3000, 0)
    assert found.recall == 1.0
    assert found.is_equal


def test_collection_with_other_vectors_is_unequal(library: Library) -> None:
    server = open_local()
    collection = library.projection.collection
    server.create(collection, DIMENSION)
    with library.database.begin() as connection:
        points = read_page(connection, library.model, after=BEFORE_ALL, limit=5000)
    turned = [*points[1:], points[0]]
    server.save(
        collection,
        [replace(one, vector=other.vector) for one, other in zip(points, turned, strict=True)],
    )
    found = compare(library.database, server, library.projection, library.model)
    assert found.points == found.vectors
    assert found.recall < 0.9
    assert not found.is_equal
