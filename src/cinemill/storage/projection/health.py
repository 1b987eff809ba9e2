"""Whether searches can ask Qdrant."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import text

from cinemill.errors import DependencyUnavailable
from cinemill.storage.database import Database
from cinemill.storage.projection.nearest import MOST_CHANGES
from cinemill.storage.projection.rows import Projection, find_ready, list_changes
from cinemill.storage.projection.server import CollectionMissing, QdrantServer, QdrantUnavailable
from cinemill.storage.retrieval.models import EmbeddingModel, ModelState, list_models

LEAST_SHARE = 0.9
"""Of a model's vectors, in Qdrant; both counts are estimates."""

_REBUILD = (
    "searches that miss them use PostgreSQL's own index, too. 'cinemill index rebuild' fills it"
    " again."
)


class HealthState(StrEnum):
    """Of all models that searches use; the first that is true."""

    UNAVAILABLE = "unavailable"
    FILLING = "filling"
    """A model's collection is not complete yet."""
    BEHIND = "behind"
    """More has changed since than searches make up for, or points are lost."""
    OK = "ok"


_HINTS = {
    HealthState.UNAVAILABLE: "Start Qdrant, and check CINEMILL_QDRANT_URL and CINEMILL_QDRANT_KEY.",
    HealthState.FILLING: (
        "The task 'project_embeddings' fills it, every ten minutes while 'cinemill beat' runs."
    ),
    HealthState.BEHIND: (
        "The task 'project_embeddings' brings it up to date, every ten minutes while 'cinemill"
        " beat' runs. If it stays behind, run 'cinemill index rebuild'."
    ),
    HealthState.OK: "",
}


@dataclass(frozen=True, slots=True)
class ProjectionHealth:
    """A state, and a sentence about it."""

    state: HealthState
    message: str

    @property
    def hint(self) -> str:
        """Return what to do about it; empty if all is well."""
        return _HINTS[self.state]


def examine_projections(database: Database, server: QdrantServer) -> ProjectionHealth:
    """Ask Qdrant, and look whether its collections are complete. Raises DatabaseUnavailable."""
    try:
        server.check()
    except DependencyUnavailable as error:
        return ProjectionHealth(HealthState.UNAVAILABLE, f"{error.message} {error.hint}")
    with database.begin() as connection:
        models = [one for one in list_models(connection) if one.state is ModelState.ACTIVE]
        ready = {one: find_ready(connection, one.id) for one in models}
        filling = [one.name for one, asked in ready.items() if asked is None]
        behind = [
            one.name
            for one in models
            if len(list_changes(connection, one.id, limit=MOST_CHANGES + 1)) > MOST_CHANGES
        ]
    try:
        lacking = [
            one.name
            for one, asked in ready.items()
            if asked is not None and lacks_points(database, server, one, asked)
        ]
    except QdrantUnavailable as error:
        return ProjectionHealth(HealthState.UNAVAILABLE, f"{error.message} {error.hint}")
    alone = "PostgreSQL's own index is searched."
    for state, names, words, then in (
        (HealthState.FILLING, filling, "is not filled yet with the vectors of", alone),
        (HealthState.BEHIND, behind, "is not up to date with the vectors of", alone),
        (HealthState.BEHIND, lacking, "has lost some of the vectors of", _REBUILD),
    ):
        if names:
            return ProjectionHealth(state, f"Qdrant {words} {', '.join(names)}; {then}")
    return ProjectionHealth(HealthState.OK, "Qdrant responds and is up to date.")


def lacks_points(
    database: Database, server: QdrantServer, model: EmbeddingModel, projection: Projection
) -> bool:
    """Check by estimates whether a collection has under ``LEAST_SHARE`` of a model's vectors.

    One that is gone lacks all. Raises DatabaseUnavailable, QdrantUnavailable.
    """
    with database.begin() as connection:
        # What was counted last, less what was deleted since: too few rather than too many.
        counted = connection.execute(
            text(
                """
                SELECT least(reltuples, pg_stat_get_live_tuples(oid))
                FROM pg_class WHERE oid = to_regclass(:name)
                """
            ),
            {"name": model.partition},
        ).scalar_one_or_none()
        vectors = counted or 0  # none where the model was dropped meanwhile
        changes = len(list_changes(connection, model.id, limit=MOST_CHANGES))
    try:
        points = server.estimate_count(projection.collection)
    except CollectionMissing:
        return bool(vectors > 0)
    return bool(points + changes < LEAST_SHARE * vectors)
