"""Whether searches can ask Qdrant."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cinemill.errors import DependencyUnavailable
from cinemill.storage.database import Database
from cinemill.storage.projection.nearest import MOST_CHANGES
from cinemill.storage.projection.rows import find_ready, list_changes
from cinemill.storage.projection.server import QdrantServer
from cinemill.storage.retrieval.models import ModelState, list_models


class HealthState(StrEnum):
    """Of all models that searches use; the first that is true."""

    UNAVAILABLE = "unavailable"
    FILLING = "filling"
    """A model's collection is not complete yet."""
    BEHIND = "behind"
    """More has changed since than searches make up for."""
    OK = "ok"


@dataclass(frozen=True, slots=True)
class ProjectionHealth:
    """A state, and a sentence about it."""

    state: HealthState
    message: str


def examine_projections(database: Database, server: QdrantServer) -> ProjectionHealth:
    """Ask Qdrant, and look whether its collections are complete. Raises DatabaseUnavailable."""
    try:
        server.check()
    except DependencyUnavailable as error:
        return ProjectionHealth(HealthState.UNAVAILABLE, f"{error.message} {error.hint}")
    with database.begin() as connection:
        models = [one for one in list_models(connection) if one.state is ModelState.ACTIVE]
        filling = [one.name for one in models if find_ready(connection, one.id) is None]
        behind = [
            one.name
            for one in models
            if len(list_changes(connection, one.id, limit=MOST_CHANGES + 1)) > MOST_CHANGES
        ]
    for state, names, words in (
        (HealthState.FILLING, filling, "is not filled yet with the vectors of"),
        (HealthState.BEHIND, behind, "is not up to date with the vectors of"),
    ):
        if names:
            message = f"Qdrant {words} {', '.join(names)}; PostgreSQL's own index is searched."
            return ProjectionHealth(state, message)
    return ProjectionHealth(HealthState.OK, "Qdrant responds and is up to date.")
