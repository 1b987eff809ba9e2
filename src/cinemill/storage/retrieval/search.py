"""One statement that gathers what vectors, words, similar words and the graph find.

It never sees another owner's passages: every part of it has the condition on the owner.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pgvector import HalfVector
from sqlalchemy import Connection, RowMapping, text

from cinemill.core.retrieval.hits import Candidate, Scores
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.core.retrieval.queries import MOST_CANDIDATES, MOST_HOPS, CandidateQuery
from cinemill.storage.retrieval.filters import Conditions, compose_conditions
from cinemill.storage.retrieval.graph_search import compose_graph_search
from cinemill.storage.retrieval.models import EmbeddingModel, get_model
from cinemill.storage.retrieval.passages import read_words
from cinemill.storage.retrieval.text_search import (
    LEAST_SIMILARITY,
    compose_text_search,
    compose_trigram_search,
)
from cinemill.storage.retrieval.vectors import check_vector

EXACT_ROWS = 150_000
"""Up to so many passages that fulfil the filters, their distances are computed: an index would
return too few of them."""
FEW_ROWS = 10_000
"""So many distances take less time than it takes to decide."""
LARGE_SHARE = 0.5
"""Where the filters keep this share of all passages, the index has enough of them."""
LEAST_EF_SEARCH, MOST_EF_SEARCH = 250, 1000

_SETTINGS = text(
    """
    SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true),
           set_config('hnsw.ef_search', CAST(:ef_search AS text), true),
           set_config('pg_trgm.similarity_threshold', CAST(:similarity AS text), true),
           set_config('plan_cache_mode', 'force_custom_plan', true)
    """
)

# Adding 0 keeps the index out of it: what it returns may lack rows that the filters keep.
_EXACT = """
vector_hit AS MATERIALIZED (
    SELECT p.id, 1 - (v.embedding <=> CAST(:vector AS halfvec)) AS score
    FROM passage AS p JOIN {partition} AS v ON v.passage_id = p.id
    WHERE {conditions}
    ORDER BY (v.embedding <=> CAST(:vector AS halfvec)) + 0 LIMIT :limit
)"""
_BY_INDEX = """
vector_hit AS MATERIALIZED (
    SELECT p.id, 1 - (v.embedding <=> CAST(:vector AS halfvec)) AS score
    FROM {partition} AS v JOIN passage AS p ON p.id = v.passage_id
    WHERE {conditions}
    ORDER BY v.embedding <=> CAST(:vector AS halfvec) LIMIT :limit
)"""

_RETRIEVERS = ("vector", "text", "trigram", "graph")


def find_candidates(connection: Connection, query: CandidateQuery) -> list[Candidate]:
    """Return what the retrievers find, each at most ``query.limit``, in no order of relevance.

    The connection must be in a transaction, whose settings are changed until it ends.

    Raises ValueError for a limit or a number of hops out of range, NotFound
    (``embedding_model_not_found``), InputRejected (``embedding_invalid``).
    """
    if not 1 <= query.limit <= MOST_CANDIDATES or not 0 <= query.hops <= MOST_HOPS:
        raise ValueError("limit or hops out of range")
    conditions = compose_conditions(query.scope, query.filters)
    connection.execute(
        _SETTINGS,
        {
            "ef_search": min(MOST_EF_SEARCH, max(LEAST_EF_SEARCH, 2 * query.limit)),
            "similarity": LEAST_SIMILARITY,
        },
    )
    parts: dict[str, tuple[str, dict[str, Any]]] = {}
    if query.model_id is not None and len(query.vector):
        model = get_model(connection, query.model_id)
        parts["vector"] = _compose_vector_search(connection, query, model, conditions)
    if query.text.strip():
        parts["text"] = compose_text_search(query, conditions)
    if query.unknown_words:
        parts["trigram"] = compose_trigram_search(query, conditions)
    if query.entity_ids:
        parts["graph"] = compose_graph_search(query, conditions)
    if not parts:
        return []
    values = {"limit": query.limit, **conditions.values}
    for _, more in parts.values():
        values |= more
    statement = text(
        _compose_statement(conditions.tables, {name: sql for name, (sql, _) in parts.items()})
    )
    rows = connection.execute(statement, values).mappings()
    return [_read(row) for row in rows]


def _compose_vector_search(
    connection: Connection, query: CandidateQuery, model: EmbeddingModel, conditions: Conditions
) -> tuple[str, dict[str, Any]]:
    vector = check_vector(query.vector, model.dimension)
    by_index = should_use_index(connection, model, conditions)
    sql = (_BY_INDEX if by_index else _EXACT).format(
        partition=model.partition, conditions=conditions.sql
    )
    return sql.strip(), {"vector": HalfVector(vector).to_text()}


def should_use_index(connection: Connection, model: EmbeddingModel, conditions: Conditions) -> bool:
    """Decide whether vectors are found by the index, from PostgreSQL's estimate of rows.

    An index that goes through the nearest vectors until enough of them fulfil the filters is right
    where the filters keep many; where they keep few, computing the distances of those is.
    """
    explained = connection.execute(
        text(
            f"EXPLAIN (FORMAT JSON) {conditions.prefix} SELECT FROM passage AS p "
            f"WHERE {conditions.sql}"
        ),
        conditions.values,
    ).scalar_one()
    kept = explained[0]["Plan"]["Plan Rows"]
    all_rows = connection.execute(
        text("SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = to_regclass(:name)"),
        {"name": model.partition},
    ).scalar_one()
    if kept >= EXACT_ROWS:
        return True
    return bool(kept > FEW_ROWS and kept >= LARGE_SHARE * all_rows)


def _compose_statement(tables: Sequence[str], parts: dict[str, str]) -> str:
    """Return the statement whose common table expressions define ``vector_hit`` and so on."""
    found = " UNION ".join(f"SELECT id FROM {name}_hit" for name in parts)  # noqa: S608
    scores = ", ".join(
        f"{name}_hit.score AS {name}_score" if name in parts else f"NULL AS {name}_score"
        for name in _RETRIEVERS
    )
    joins = " ".join(f"LEFT JOIN {name}_hit ON {name}_hit.id = p.id" for name in parts)
    return f"""
        WITH {", ".join([*tables, *parts.values()])}
        SELECT p.id, p.asset_id, p.track, p.number, p.start_ms, p.end_ms, p.text AS passage_text,
               p.language, p.speaker, p.frame_ms, p.unsure_words, {scores}
        FROM ({found}) AS found JOIN passage AS p ON p.id = found.id {joins}
        WHERE p.owner = :owner ORDER BY p.id
        """  # noqa: S608


def _read(row: RowMapping) -> Candidate:
    return Candidate(
        passage_id=str(row["id"]),
        asset_id=row["asset_id"],
        track=PassageTrack(row["track"]),
        number=row["number"],
        start_ms=row["start_ms"],
        end_ms=row["end_ms"],
        text=row["passage_text"],
        language=row["language"],
        speaker=row["speaker"],
        scores=Scores(
            *(
                None if row[f"{name}_score"] is None else float(row[f"{name}_score"])
                for name in _RETRIEVERS
            )
        ),
        frame_ms=row["frame_ms"],
        unsure_words=read_words(row["unsure_words"]),
    )
