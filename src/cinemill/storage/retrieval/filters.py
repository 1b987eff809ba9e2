"""The scope and filters of a search as conditions of SQL on a passage ``p``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cinemill.core.retrieval.hits import SearchFilters, SearchScope
from cinemill.storage.retrieval.passages import parse_ids

_ENTITIES = """p.id IN (
    SELECT mention.passage_id FROM mention JOIN entity ON entity.id = mention.entity_id
    WHERE entity.owner = :owner AND entity.canonical_id IN (
        SELECT canonical_id FROM entity WHERE owner = :owner AND id = ANY(:filter_entities)))"""

# From the label's findings to the passages at their time: few videos show a thing.
_LABELS = """p.id IN (
    SELECT shown.id FROM finding
    JOIN finding_set ON finding_set.id = finding.set_id AND finding_set.state = 'active'
    JOIN passage AS shown ON shown.asset_id = finding_set.asset_id
        AND shown.owner = :owner AND shown.start_ms < finding.end_ms
        AND shown.end_ms > finding.start_ms
    WHERE finding.label_key = ANY(:labels)
        AND (CAST(:least_confidence AS float8) IS NULL
             OR finding.confidence >= :least_confidence))"""

_CREATED = """EXISTS (
    SELECT FROM asset WHERE asset.id = p.asset_id
    AND (CAST(:created_from AS timestamptz) IS NULL OR asset.created_at >= :created_from)
    AND (CAST(:created_to AS timestamptz) IS NULL OR asset.created_at < :created_to))"""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Conditions on a passage ``p``, and the values that they name."""

    sql: str
    values: Mapping[str, Any]
    is_narrowed: bool
    """Whether there is more to them than the owner."""


def compose_conditions(scope: SearchScope, filters: SearchFilters) -> Conditions:
    """Return what a passage must fulfil. The owner is always a part of it."""
    lists = {
        "p.collection = ANY(:collections)": ("collections", scope.collections),
        "p.asset_id = ANY(:asset_ids)": ("asset_ids", filters.asset_ids),
        "p.track = ANY(:tracks)": ("tracks", [track.value for track in filters.tracks]),
        "p.language = ANY(:languages)": ("languages", filters.languages),
        "p.speaker <> '' AND p.speaker = ANY(:speakers)": ("speakers", filters.speakers),
        _ENTITIES: ("filter_entities", filters.entity_ids),
        _LABELS: ("labels", [label.lower()[:100] for label in filters.labels]),
    }
    conditions = ["p.owner = :owner"]
    values: dict[str, Any] = {"owner": scope.owner}
    for condition, (name, wanted) in lists.items():
        if wanted:
            conditions.append(condition)
            values[name] = parse_ids(wanted) if name == "filter_entities" else [*wanted]
    if filters.labels:
        values["least_confidence"] = filters.least_confidence
    if filters.created_from is not None or filters.created_to is not None:
        conditions.append(_CREATED)
        values |= {"created_from": filters.created_from, "created_to": filters.created_to}
    if filters.start_ms is not None:
        conditions.append("p.end_ms > :start_ms")
        values["start_ms"] = filters.start_ms
    if filters.end_ms is not None:
        conditions.append("p.start_ms < :end_ms")
        values["end_ms"] = filters.end_ms
    return Conditions(" AND ".join(conditions), values, len(conditions) > 1)
