"""How alike the passages before and after each gap of a video are, as their vectors see it.

PostgreSQL takes the means and compares them, so that twelve hours are one number a passage and no
vector leaves the database.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from cinemill.core.retrieval.passages import PassageTrack
from cinemill.storage.retrieval.models import EmbeddingModel


def measure_gap_similarities(
    connection: Connection,
    asset_id: str,
    track: PassageTrack,
    model: EmbeddingModel,
    *,
    window: int,
    limit: int,
) -> list[float] | None:
    """Return the cosine (−1 to 1) over each gap between neighbouring passages of a video's track.

    Each compares the mean vector of at most ``window`` passages before the gap with that of as many
    after it; the first is of the gap after the first passage. Only the first ``limit`` passages are
    looked at. None where a passage has no vector of this model, so that nothing can be said.
    """
    statement = text(
        f"""
        WITH listed AS (
            SELECT id, number FROM passage WHERE asset_id = :asset_id AND track = :track
            ORDER BY number LIMIT :limit
        ), embedded AS (
            SELECT listed.number, v.embedding FROM listed
            LEFT JOIN {model.partition} AS v ON v.passage_id = listed.id
        ), compared AS (
            SELECT number, embedding IS NULL AS is_missing,
                avg(embedding) OVER (ORDER BY number
                    ROWS BETWEEN {window - 1:d} PRECEDING AND CURRENT ROW) AS before,
                avg(embedding) OVER (ORDER BY number
                    ROWS BETWEEN 1 FOLLOWING AND {window:d} FOLLOWING) AS after
            FROM embedded
        )
        SELECT is_missing, 1 - (before <=> after) AS similarity FROM compared ORDER BY number
        """  # noqa: S608 - made of constants and of whole numbers
    )
    values = {"asset_id": asset_id, "track": track.value, "limit": limit}
    rows = connection.execute(statement, values).all()
    if not rows or any(row.is_missing for row in rows):
        return None
    # Nothing comes after the last one.
    return [float(row.similarity) for row in rows[:-1]]
