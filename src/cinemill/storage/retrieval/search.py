"""One statement that gathers what vectors, words, similar words and the graph find.

It never sees another owner's passages: every part of it has the condition on the owner.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

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

FEW_ROWS = 5_000
"""So many distances take less time than it takes to decide."""
LEAST_EF_SEARCH, MOST_EF_SEARCH = 600, 1000
MOST_SCANNED = 20_000
"""Vectors that an index looks at before it gives up. pgvector's default, and set nevertheless: the
choice of the index reckons with it."""

# What is about to be deleted is asked for in the same round trip.
_SETTINGS = text(
    """
    SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true),
           set_config('hnsw.ef_search', CAST(:ef_search AS text), true),
           set_config('hnsw.max_scan_tuples', CAST(:most_scanned AS text), true),
           set_config('pg_trgm.similarity_threshold', CAST(:similarity AS text), true),
           set_config('plan_cache_mode', 'force_custom_plan', true),
           ARRAY(SELECT id FROM asset WHERE owner = :owner AND deletion_ends IS NOT NULL) AS leaving
    """
)

# Adding 0 keeps the index out of it: what it returns may lack rows that the filters keep.
_NEAREST = """
    SELECT p.id, 1 - (v.embedding <=> CAST(:vector AS halfvec)) AS score
    FROM passage AS p JOIN {partition} AS v ON v.passage_id = p.id
    WHERE {conditions}{unless}
    ORDER BY (v.embedding <=> CAST(:vector AS halfvec)) + 0 LIMIT :limit"""
_EXACT = f"""
{{name}} AS MATERIALIZED ({_NEAREST}
)"""
# Passages that the filters keep may all be far from the query, and the index gives up before them.
_BY_INDEX = f"""
vector_by_index AS MATERIALIZED (
    SELECT p.id, 1 - (v.embedding <=> CAST(:vector AS halfvec)) AS score
    FROM {{partition}} AS v JOIN passage AS p ON p.id = v.passage_id
    WHERE {{conditions}}
    ORDER BY v.embedding <=> CAST(:vector AS halfvec) LIMIT :limit
), {{name}} AS MATERIALIZED (
    SELECT id, score FROM vector_by_index
    WHERE (SELECT count(*) FROM vector_by_index) >= :limit
    UNION ALL ({_NEAREST})
)"""  # noqa: S608
_UNLESS = " AND (SELECT count(*) FROM vector_by_index) < :limit"

# What is proposed may be gone or may not pass the filters, and its index may have lost points. Then
# PostgreSQL searches as it does alone, which costs no more than being without the other index.
_AMONG = """
vector_among AS MATERIALIZED (
    SELECT p.id, 1 - (v.embedding <=> CAST(:vector AS halfvec)) AS score
    FROM unnest(CAST(:near AS uuid[])) AS near (id)
    JOIN passage AS p ON p.id = near.id JOIN {partition} AS v ON v.passage_id = near.id
    WHERE {conditions}
    ORDER BY (v.embedding <=> CAST(:vector AS halfvec)) + 0 LIMIT :limit
), {alone}, vector_hit AS MATERIALIZED (
    SELECT id, score FROM vector_among WHERE (SELECT count(*) FROM vector_among) >= :limit
    UNION ALL SELECT id, score FROM vector_alone
)"""
_UNLESS_AMONG = " AND (SELECT count(*) FROM vector_among) < :limit"

_RETRIEVERS = ("vector", "text", "trigram", "graph")


class NearestIndex(Protocol):
    """An index of vectors outside of PostgreSQL."""

    def propose(
        self, connection: Connection, model: EmbeddingModel, query: CandidateQuery
    ) -> Sequence[UUID] | None:
        """Return ids of passages among which the nearest are; None where it does not know.

        Everything is checked again here: what it proposes needs to be neither there nor allowed.
        """
        ...


def find_candidates(
    connection: Connection, query: CandidateQuery, index: NearestIndex | None = None
) -> list[Candidate]:
    """Return what the retrievers find, each at most ``query.limit``, in no order of relevance.

    Nothing of a video that is about to be deleted is found.

    With an ``index``, vectors are compared with those that it proposes, unless the filters keep so
    few that comparing with all of these is quicker.

    The connection must be in a transaction, whose settings are changed until it ends.

    Raises ValueError for a limit or a number of hops out of range, NotFound
    (``embedding_model_not_found``), InputRejected (``embedding_invalid``).
    """
    if not 1 <= query.limit <= MOST_CANDIDATES or not 0 <= query.hops <= MOST_HOPS:
        raise ValueError("limit or hops out of range")
    prepared = connection.execute(
        _SETTINGS,
        {
            "owner": query.scope.owner,
            "ef_search": min(MOST_EF_SEARCH, max(LEAST_EF_SEARCH, 2 * query.limit)),
            "most_scanned": MOST_SCANNED,
            "similarity": LEAST_SIMILARITY,
        },
    ).one()
    conditions = compose_conditions(query.scope, query.filters, leaving=prepared.leaving)
    parts: dict[str, tuple[str, dict[str, Any]]] = {}
    if query.model_id is not None and len(query.vector):
        model = get_model(connection, query.model_id)
        parts["vector"] = _compose_vector_search(connection, query, model, conditions, index)
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
    connection: Connection,
    query: CandidateQuery,
    model: EmbeddingModel,
    conditions: Conditions,
    index: NearestIndex | None,
) -> tuple[str, dict[str, Any]]:
    vector = check_vector(query.vector, model.dimension)
    values: dict[str, Any] = {"vector": HalfVector(vector).to_text()}
    kept = estimate_kept(connection, conditions)
    near = None if index is None or kept <= FEW_ROWS else index.propose(connection, model, query)
    by_index = is_index_better(connection, model, kept, query.limit)
    if near is None:
        return _compose_alone("vector_hit", model, conditions.sql, by_index=by_index), values
    values["near"] = [*near]
    alone = _compose_alone("vector_alone", model, conditions.sql + _UNLESS_AMONG, by_index=by_index)
    sql = _AMONG.format(partition=model.partition, conditions=conditions.sql, alone=alone)
    return sql.strip(), values


def _compose_alone(name: str, model: EmbeddingModel, conditions: str, *, by_index: bool) -> str:
    """Return the common table expressions of which the last has what PostgreSQL finds."""
    template, unless = (_BY_INDEX, _UNLESS) if by_index else (_EXACT, "")
    return template.format(
        name=name, partition=model.partition, conditions=conditions, unless=unless
    ).strip()


def estimate_kept(connection: Connection, conditions: Conditions) -> float:
    """Return how many passages fulfil the conditions, as PostgreSQL expects."""
    explained = connection.execute(
        text(
            f"EXPLAIN (FORMAT JSON) {conditions.prefix} SELECT FROM passage AS p "
            f"WHERE {conditions.sql}"
        ),
        conditions.values,
    ).scalar_one()
    return float(explained[0]["Plan"]["Plan Rows"])


def is_index_better(connection: Connection, model: EmbeddingModel, kept: float, limit: int) -> bool:
    """Decide whether ``limit`` vectors are found by the index where filters keep so many passages.

    An index goes through the nearest vectors until enough of them fulfil the filters: if these keep
    one in a hundred, through a hundred times ``limit``. The other way is to compute the distances
    of all that fulfil them. What is less is chosen; and never the index where it would give up
    before it has found enough, since all distances are computed then as well.
    """
    all_rows = connection.execute(
        text("SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = to_regclass(:name)"),
        {"name": model.partition},
    ).scalar_one()
    is_less = kept > FEW_ROWS and kept * kept > limit * all_rows
    return bool(is_less and MOST_SCANNED * kept >= limit * all_rows)


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
