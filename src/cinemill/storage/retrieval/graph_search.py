"""Parts of the search statement that find passages by entities, and by those related to them.

An entity that was asked for counts 1, one that a relation leads to half of that, and one that two
lead to a quarter, each in proportion to the evidence. Each hop follows the relations with the most
evidence only: at the third, nearly everything is reached.
"""

from __future__ import annotations

from typing import Any

from cinemill.core.retrieval.queries import CandidateQuery
from cinemill.storage.retrieval.filters import Conditions
from cinemill.storage.retrieval.passages import parse_ids

MOST_NEIGHBOURS = 20
"""That a hop leads to."""
MOST_EVIDENCE = 2000
"""Of an entity, that is counted."""
MENTIONS_OF_SEED = 2000
MENTIONS_OF_NEIGHBOUR = 200
"""That are looked at. A well-known name has some in every hour of a library."""

_SEEDS = """
reached_0 AS MATERIALIZED (
    SELECT DISTINCT canonical_id AS id, CAST(1 AS float8) AS weight FROM entity
    WHERE owner = :owner AND id = ANY(:entity_ids)
)"""

# Relations of a collection that is out of scope lead nowhere.
_HOP = f"""
reached_{{hop}} AS MATERIALIZED (
    SELECT id, 0.5 * evidence / max(evidence) OVER () * weight AS weight FROM (
        SELECT other.canonical_id AS id, count(*) AS evidence, max(near.weight) AS weight
        FROM reached_{{before}} AS near JOIN entity AS one ON one.canonical_id = near.id
        CROSS JOIN LATERAL (
            SELECT object_id AS other_id FROM relation_evidence AS r
            WHERE r.subject_id = one.id AND NOT r.is_negated {{scope}}
            UNION ALL SELECT subject_id FROM relation_evidence AS r
            WHERE r.object_id = one.id AND NOT r.is_negated {{scope}}
            LIMIT {MOST_EVIDENCE}
        ) AS related JOIN entity AS other ON other.id = related.other_id
        WHERE other.owner = :owner AND other.canonical_id NOT IN ({{known}})
        GROUP BY other.canonical_id ORDER BY evidence DESC, id LIMIT {MOST_NEIGHBOURS}
    ) AS nearest
)"""  # noqa: S608
_IN_COLLECTIONS = """
            AND (SELECT collection FROM asset WHERE id = r.asset_id) = ANY(:collections)"""

_HITS = f"""
reached AS MATERIALIZED (
    SELECT id, weight, {MENTIONS_OF_SEED} AS most FROM reached_0{{further}}
), graph_hit AS MATERIALIZED (
    SELECT id, least(1, sum(weight) / (SELECT count(*) FROM reached_0)) AS score FROM (
        SELECT reached.id AS entity_id, reached.weight, found.id
        FROM reached CROSS JOIN LATERAL (
            SELECT DISTINCT id FROM (
                SELECT mention.passage_id AS id
                FROM entity JOIN mention ON mention.entity_id = entity.id{{passages}}
                WHERE entity.owner = :owner AND entity.canonical_id = reached.id
                    AND mention.passage_id IS NOT NULL
                LIMIT reached.most
            ) AS mentioned
        ) AS found
    ) AS every GROUP BY id ORDER BY score DESC, id LIMIT :limit
)"""  # noqa: S608
# What an owner's entities were found in is the owner's.
_PASSAGES = """
                JOIN passage AS p ON p.id = mention.passage_id AND {conditions}"""


def compose_graph_search(
    query: CandidateQuery, conditions: Conditions
) -> tuple[str, dict[str, Any]]:
    """Return the common table expressions that define ``graph_hit``, and their values."""
    scope = _IN_COLLECTIONS if query.scope.collections else ""
    parts = [_SEEDS]
    for hop in range(1, query.hops + 1):
        known = " UNION ALL ".join(f"SELECT id FROM reached_{n}" for n in range(hop))  # noqa: S608
        parts.append(_HOP.format(hop=hop, before=hop - 1, known=known, scope=scope))
    further = "".join(
        f" UNION ALL SELECT id, weight, {MENTIONS_OF_NEIGHBOUR} FROM reached_{hop}"  # noqa: S608
        for hop in range(1, query.hops + 1)
    )
    passages = _PASSAGES.format(conditions=conditions.sql) if conditions.narrows else ""
    parts.append(_HITS.format(further=further, passages=passages))
    return ", ".join(part.strip() for part in parts), {"entity_ids": parse_ids(query.entity_ids)}
