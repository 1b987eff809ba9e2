"""The scope and filters of a search as conditions of SQL on a passage ``p``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from cinemill.core.retrieval.hits import SearchFilters, SearchScope
from cinemill.storage.retrieval.passages import parse_ids

_OWNER = "p.owner = :owner"
_ENTITIES = """p.id IN (
    SELECT mention.passage_id FROM mention JOIN entity ON entity.id = mention.entity_id
    WHERE entity.owner = :owner AND entity.canonical_id IN (
        SELECT canonical_id FROM entity WHERE owner = :owner AND id = ANY(:filter_entities)))"""

# From the owner's videos to the findings of the label, whose times are joined into ranges before
# they meet passages: of a person who is seen all the time there are as many findings as seconds.
# The coalesce is for the planner, which else expects one passage in two hundred to overlap.
_LABELLED = """
labelled AS MATERIALIZED (
    SELECT shown.id FROM (
        SELECT asset.id, range_agg(int8range(finding.start_ms, finding.end_ms)) AS times
        FROM asset
        JOIN finding_set ON finding_set.asset_id = asset.id AND finding_set.state = 'active'
        JOIN finding ON finding.set_id = finding_set.id AND finding.label_key = ANY(:labels)
            AND (CAST(:least_confidence AS float8) IS NULL
                 OR finding.confidence >= :least_confidence)
        WHERE asset.owner = :owner{among}
        GROUP BY asset.id
    ) AS seen JOIN passage AS shown ON shown.asset_id = seen.id
        AND coalesce(int8range(shown.start_ms, shown.end_ms) && seen.times, false)
)"""
_LABELS = "p.id IN (SELECT id FROM labelled)"

_CREATED = """EXISTS (
    SELECT FROM asset WHERE asset.id = p.asset_id
    AND (CAST(:created_from AS timestamptz) IS NULL OR asset.created_at >= :created_from)
    AND (CAST(:created_to AS timestamptz) IS NULL OR asset.created_at < :created_to))"""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Conditions on a passage ``p``, and the values that they name."""

    sql: str
    values: Mapping[str, Any]
    tables: tuple[str, ...] = ()
    """Common table expressions that they name; a statement defines them once, however often it has
    the conditions."""

    @property
    def narrows(self) -> bool:
        """Return whether there is more than the owner."""
        return self.sql != _OWNER

    @property
    def prefix(self) -> str:
        """What a statement begins with that consists of a SELECT alone."""
        return f"WITH {', '.join(self.tables)}" if self.tables else ""


def compose_conditions(
    scope: SearchScope, filters: SearchFilters, *, leaving: Collection[str] = ()
) -> Conditions:
    """Return what a passage must fulfil. The owner is always a part of it.

    ``leaving`` are the videos that are about to be deleted. They are no condition where there are
    none, as nearly always: PostgreSQL would expect less of every search.
    """
    lists = {
        "p.collection = ANY(:collections)": ("collections", scope.collections),
        "p.asset_id = ANY(:asset_ids)": ("asset_ids", filters.asset_ids),
        "p.track = ANY(:tracks)": ("tracks", [track.value for track in filters.tracks]),
        "p.language = ANY(:languages)": ("languages", filters.languages),
        "p.speaker <> '' AND p.speaker = ANY(:speakers)": ("speakers", filters.speakers),
        _ENTITIES: ("filter_entities", filters.entity_ids),
        _LABELS: ("labels", [label.lower()[:100] for label in filters.labels]),
        "p.asset_id <> ALL(:leaving)": ("leaving", leaving),
    }
    conditions = [_OWNER]
    values: dict[str, Any] = {"owner": scope.owner}
    for condition, (name, wanted) in lists.items():
        if wanted:
            conditions.append(condition)
            values[name] = parse_ids(wanted) if name == "filter_entities" else [*wanted]
    tables = []
    if filters.labels:
        values["least_confidence"] = filters.least_confidence
        among = " AND asset.collection = ANY(:collections)" if scope.collections else ""
        among += " AND asset.id = ANY(:asset_ids)" if filters.asset_ids else ""
        tables.append(_LABELLED.format(among=among).strip())
    if filters.created_from is not None or filters.created_to is not None:
        conditions.append(_CREATED)
        values |= {"created_from": filters.created_from, "created_to": filters.created_to}
    if filters.start_ms is not None:
        conditions.append("p.end_ms > :start_ms")
        values["start_ms"] = filters.start_ms
    if filters.end_ms is not None:
        conditions.append("p.start_ms < :end_ms")
        values["end_ms"] = filters.end_ms
    return Conditions(" AND ".join(conditions), values, tuple(tables))
