"""Findings of a service that a video has already, from the same question."""

from __future__ import annotations

from collections.abc import Iterable

from cinemill.core.documents import JsonObject
from cinemill.core.findings.finding import FindingKind
from cinemill.inference.providers.jobs import FindingSet
from cinemill.steps.ingestion.finding_work import FindingWork, store_findings
from cinemill.storage.database import Connection, Database
from cinemill.storage.findings.sets import count_active, find_active


def is_known(
    database: Database,
    asset_id: str,
    wanted: Iterable[FindingKind],
    *,
    provider: str,
    version: int,
    parameters: JsonObject,
) -> bool:
    """Check whether the active findings of these kinds answer the same question.

    The service's own version counts for nothing here: it is known only once it is paid for.
    """
    with database.begin() as connection:
        for kind in wanted:
            active = find_active(connection, asset_id, kind)
            if active is None or active.model.provider != provider:
                return False
            asked = FindingWork(kind, active.model, parameters).digest
            if active.model.version != version or active.params_digest != asked:
                return False
    return True


def count_known(database: Database, asset_id: str, wanted: Iterable[FindingKind]) -> int:
    """Return how many active findings of these kinds a video has."""
    with database.begin() as connection:
        counts = count_active(connection, asset_id)
    return sum(counts.get(kind, 0) for kind in wanted)


def store_sets(
    connection: Connection, asset_id: str, sets: Iterable[FindingSet], parameters: JsonObject
) -> None:
    """Store findings and make them the active ones. Raises NotFound where the asset is gone."""
    for found in sets:
        work = FindingWork(found.kind, found.model, parameters)
        store_findings(connection, asset_id, work, found.findings)
