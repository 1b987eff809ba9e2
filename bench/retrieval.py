"""Search over many passages: hybrid, by vectors alone, with filters, and at its worst; deletion.

``CINEMILL_BENCH_PASSAGES`` is the number of passages, 20,000 where it is not set; the figures in
the documentation are of 1,000,000, for which building takes about twenty minutes.
``CINEMILL_BENCH_FOLDER`` is a folder where the library is kept, and measured again the next time.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from sqlalchemy import text

from bench.passages import (
    DIMENSION,
    ENTITIES,
    PASSAGES_OF_ASSET,
    SHARES,
    STOP_WORDS,
    TOPICS,
    WORDS,
    Library,
    fill_library,
    make_library,
    spread,
)
from bench.report import BenchRow, print_table
from cinemill.core.knowledge.graph import EntityKind
from cinemill.core.retrieval.hits import SearchFilters, SearchScope
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.core.retrieval.queries import CandidateQuery
from cinemill.local.embedded_servers import embedded_servers
from cinemill.storage.database import Database, migrate, open_patient_connection
from cinemill.storage.knowledge.names import entity_id, entity_key
from cinemill.storage.media import assets
from cinemill.storage.retrieval import models
from cinemill.storage.retrieval.filters import compose_conditions
from cinemill.storage.retrieval.search import estimate_kept, find_candidates, is_index_better

PASSAGES = int(os.environ.get("CINEMILL_BENCH_PASSAGES", "20000"))
FOLDER = os.environ.get("CINEMILL_BENCH_FOLDER")
ROUNDS = 200
FILTERED_ROUNDS = 40
CLIENTS = 4
SCOPE = SearchScope("bench")
LIMIT = 50
TOP = 10


def measure() -> list[BenchRow]:
    """Fill an embedded PostgreSQL and measure searches in it."""
    with (
        nullcontext(FOLDER) if FOLDER else tempfile.TemporaryDirectory() as name,
        embedded_servers(Path(name) / "home") as servers,
    ):
        migrate(servers.database_url)
        database = Database(servers.database_url, pool_size=CLIENTS)
        try:
            library, rows = _find_or_build(database)
            rows += _measure_hybrid(library)
            rows += _measure_recall(library)
            rows += _measure_text(library)
            return [*rows, *_measure_deletion(library)]
        finally:
            database.close()


def _find_or_build(database: Database) -> tuple[Library, list[BenchRow]]:
    with database.begin() as connection:
        model = models.find_active_model(connection, "text")
    if model is not None:
        return make_library(database, SCOPE, model), []
    return _build(database)


def _build(database: Database) -> tuple[Library, list[BenchRow]]:
    with database.begin() as connection:
        model = models.register_model(
            connection,
            space="text",
            name="bench",
            revision="",
            dimension=DIMENSION,
            tracks=[*PassageTrack],
        )
    library = make_library(database, SCOPE, model)
    began = time.monotonic()
    fill_library(library, PASSAGES)
    filled = time.monotonic()
    with open_patient_connection(database) as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    vacuumed = time.monotonic()
    models.build_index(database, model)
    with database.begin() as connection:
        models.activate_model(connection, model.id)
    indexed = time.monotonic()
    size = f"{PASSAGES:,} passages, {DIMENSION} half-precision numbers each"
    return library, [
        BenchRow("retrieval: filling", filled - began, None, "s", size),
        BenchRow("retrieval: building the index of vectors", indexed - vacuumed, None, "s", size),
    ]


def _measure_hybrid(library: Library) -> list[BenchRow]:
    random = np.random.default_rng(7)
    queries = [_make_query(library, random) for _ in range(ROUNDS)]
    # Once, so that the first does not pay for reading the index from the disk.
    _time_all(library, queries[:20])
    alone = _time_all(library, queries)
    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        parts = pool.map(lambda part: _time_all(library, part), [queries] * CLIENTS)
        together = [one for part in parts for one in part]
    rate = len(together) / (time.monotonic() - began)
    how = "vectors, words and one hop in the graph, in one statement"
    return [
        BenchRow("retrieval: hybrid, one client, p50", _percentile(alone, 0.5), None, "ms", how),
        BenchRow("retrieval: hybrid, one client, p95", _percentile(alone, 0.95), 100.0, "ms"),
        BenchRow(
            f"retrieval: hybrid, {CLIENTS} clients, p95", _percentile(together, 0.95), 250.0, "ms"
        ),
        BenchRow(f"retrieval: hybrid, {CLIENTS} clients", rate, 30.0, "/s", more_is_better=True),
    ]


def _make_query(library: Library, random: np.random.Generator) -> CandidateQuery:
    """Return a question of six words, as common as in a text, near a topic, with a name."""
    words = random.choice(WORDS, 6, p=library.weights)
    near = library.topics[random.integers(0, TOPICS, 1)]
    key = entity_key(f"Person {random.integers(0, ENTITIES)}")
    return CandidateQuery(
        SCOPE,
        text=" ".join(library.words[one] for one in words),
        vector=spread(random, near)[0].tolist(),
        model_id=library.model.id,
        entity_ids=[str(entity_id(SCOPE.owner, EntityKind.PERSON, key))],
        limit=LIMIT,
    )


def _measure_recall(library: Library) -> list[BenchRow]:
    random = np.random.default_rng(11)
    rows = [_measure_share(library, random, None)]
    return [*rows, *(_measure_share(library, random, share) for share in SHARES)]


def _measure_share(library: Library, random: np.random.Generator, share: float | None) -> BenchRow:
    """Compare the ten nearest with those among all distances, within a filter or without."""
    speakers = tuple(f"speaker {one}" for one in SHARES if share is not None and one <= share)
    filters = SearchFilters(speakers=speakers)
    right = wanted = 0
    took = []
    for _ in range(FILTERED_ROUNDS):
        near = library.topics[random.integers(0, TOPICS, 1)]
        vector = spread(random, near)[0]
        query = CandidateQuery(
            SCOPE, filters, vector=vector.tolist(), model_id=library.model.id, limit=LIMIT
        )
        began = time.perf_counter()
        with library.database.begin() as connection:
            found = find_candidates(connection, query)
        took.append((time.perf_counter() - began) * 1000)
        found.sort(key=lambda one: -(one.scores.vector or 0.0))
        expected = _find_exactly(library, vector, speakers)
        wanted += len(expected)
        right += len(expected & {one.passage_id for one in found[:TOP]})
    with library.database.begin() as connection:
        conditions = compose_conditions(SCOPE, filters)
        kept = estimate_kept(connection, conditions)
        by_index = is_index_better(connection, library.model, kept, LIMIT)
    how = f"{'by index' if by_index else 'all distances'}, p95 {_percentile(took, 0.95):.0f} ms"
    name = "all passages" if share is None else f"a filter that keeps {share * 100:g} %"
    recall = right / wanted if wanted else None
    target = 0.97 if share is None else 0.95
    return BenchRow(
        f"retrieval: recall of the first ten, {name}", recall, target, "", how, more_is_better=True
    )


def _find_exactly(
    library: Library, vector: NDArray[np.float32], speakers: Sequence[str]
) -> set[str]:
    query = text(
        f"""
        SELECT v.passage_id FROM {library.model.partition} AS v
        JOIN passage ON passage.id = v.passage_id
        WHERE cardinality(CAST(:speakers AS text[])) = 0 OR speaker = ANY(:speakers)
        ORDER BY (v.embedding <=> CAST(:vector AS halfvec)) + 0 LIMIT {TOP}
        """
    )
    values = {"speakers": [*speakers], "vector": HalfVector(vector).to_text()}
    with library.database.begin() as connection:
        return {str(one) for one in connection.execute(query, values).scalars()}


def _measure_text(library: Library) -> list[BenchRow]:
    common = library.words[len(STOP_WORDS) : len(STOP_WORDS) + 30]
    floods = {
        "stop words alone": " ".join(STOP_WORDS),
        "one common word": common[0],
        "thirty common words": " ".join(common),
        "10,000 characters": " ".join(library.words[:3000])[:10_000],
        "common words and a rare one": " ".join([*common[:6], library.words[-1]]),
    }
    slowest, which = 0.0, ""
    for name, flood in floods.items():
        query = CandidateQuery(SCOPE, text=flood, limit=LIMIT)
        p95 = _percentile(_time_all(library, [query] * FILTERED_ROUNDS), 0.95)
        if p95 > slowest:
            slowest, which = p95, name
    misspelt = CandidateQuery(
        SCOPE, unknown_words=[f"{word}x" for word in library.words[1000:1003]], limit=LIMIT
    )
    similar = _percentile(_time_all(library, [misspelt] * FILTERED_ROUNDS), 0.95)
    return [
        BenchRow("retrieval: slowest search by words, p95", slowest, 150.0, "ms", which),
        BenchRow("retrieval: three unknown words, p95", similar, None, "ms"),
    ]


def _measure_deletion(library: Library) -> list[BenchRow]:
    with library.database.begin() as connection:
        asset_id = connection.execute(text("SELECT min(id) FROM asset")).scalar_one()
    began = time.perf_counter()
    with library.database.begin() as connection:
        assert assets.delete_asset(connection, asset_id)
    took = time.perf_counter() - began
    left = 0
    with library.database.begin() as connection:
        for table in ("passage", "mention", "relation_evidence", "asset_word"):
            count = text(f"SELECT count(*) FROM {table} WHERE asset_id = :asset_id")
            left += connection.execute(count, {"asset_id": asset_id}).scalar_one()
        everything = text(
            f"SELECT count(*) FROM {library.model.partition} AS v "
            "WHERE NOT EXISTS (SELECT FROM passage WHERE passage.id = v.passage_id)"
        )
        left += connection.execute(everything).scalar_one()
    how = f"{PASSAGES_OF_ASSET} passages with their vectors, mentions and relations"
    return [
        BenchRow("retrieval: deleting an hour of video", took, 1.0, "s", how),
        BenchRow("retrieval: rows left of it", left, 0.0),
    ]


def _time_all(library: Library, queries: Sequence[CandidateQuery]) -> list[float]:
    """Milliseconds of each search, with the transaction around it."""
    took = []
    for query in queries:
        began = time.perf_counter()
        with library.database.begin() as connection:
            find_candidates(connection, query)
        took.append((time.perf_counter() - began) * 1000)
    return took


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


if __name__ == "__main__":
    print_table(measure())
