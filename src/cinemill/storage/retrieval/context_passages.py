"""Passages as an answer reads them: those that were found, and those next to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from cinemill.core.retrieval.hits import Candidate, Scores, SearchScope
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.storage.retrieval.passages import parse_ids

_COLUMNS = """
p.id, p.asset_id, p.track, p.number, p.start_ms, p.end_ms, p.text AS passage_text, p.language,
p.speaker"""
_IN_SCOPE = """
p.owner = :owner
AND (cardinality(CAST(:collections AS text[])) = 0 OR p.collection = ANY(:collections))
AND NOT EXISTS (
    SELECT FROM asset WHERE asset.id = p.asset_id AND asset.deletion_ends IS NOT NULL)"""
_BY_ID = text(
    f"SELECT {_COLUMNS} FROM passage AS p WHERE p.id = ANY(:ids) AND {_IN_SCOPE} ORDER BY p.id"  # noqa: S608
)
_NEXT_TO = text(
    f"""
    SELECT DISTINCT {_COLUMNS}
    FROM unnest(CAST(:assets AS text[]), CAST(:tracks AS text[]), CAST(:numbers AS int[]))
        AS found (asset_id, track, number)
    CROSS JOIN generate_series(-CAST(:distance AS int), :distance) AS step
    JOIN passage AS p ON p.asset_id = found.asset_id AND p.track = found.track
        AND p.number = found.number + step
    WHERE {_IN_SCOPE} ORDER BY p.id
    """  # noqa: S608
)
_TITLES = text("SELECT id, filename FROM asset WHERE owner = :owner AND id = ANY(:ids)")


def read_passages(
    connection: Connection, scope: SearchScope, passage_ids: Collection[str]
) -> list[Candidate]:
    """Return those of the passages that are in the scope, of videos that stay, without scores."""
    values = {**_scope_values(scope), "ids": parse_ids(passage_ids)}
    return [_read(row) for row in connection.execute(_BY_ID, values).mappings()]


def read_neighbours(
    connection: Connection, scope: SearchScope, passages: Sequence[Candidate], distance: int
) -> list[Candidate]:
    """Return the passages of the same videos and tracks that are at most so far away.

    The passages themselves are among them.
    """
    if not passages:
        return []
    values = {
        **_scope_values(scope),
        "assets": [one.asset_id for one in passages],
        "tracks": [one.track.value for one in passages],
        "numbers": [one.number for one in passages],
        "distance": distance,
    }
    return [_read(row) for row in connection.execute(_NEXT_TO, values).mappings()]


def find_titles(
    connection: Connection, owner: str, asset_ids: Collection[str]
) -> Mapping[str, str]:
    """Return the file name of each of an owner's videos, by its id."""
    rows = connection.execute(_TITLES, {"owner": owner, "ids": sorted(set(asset_ids))})
    return {row.id: row.filename for row in rows}


def _scope_values(scope: SearchScope) -> dict[str, Any]:
    return {"owner": scope.owner, "collections": [*scope.collections]}


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
        scores=Scores(),
    )
