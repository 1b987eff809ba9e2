"""A model's vectors copied to Qdrant, kept equal to PostgreSQL's, and compared with them.

One worker at a time does that for a model, under ``ModelWork.PROJECT``. All of it can be repeated:
a point's id is its passage's, so that what was interrupted is done again and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import Connection, text

from cinemill.core.retrieval.hits import SearchFilters, SearchScope
from cinemill.storage.database import Database, open_patient_connection
from cinemill.storage.projection.pages import read_page, read_points
from cinemill.storage.projection.rows import (
    BEFORE_ALL,
    Projection,
    forget_changes,
    forget_projection,
    list_changes,
    list_projections,
    list_unused,
    save_progress,
)
from cinemill.storage.projection.server import Near, QdrantServer
from cinemill.storage.retrieval.models import EmbeddingModel, get_model
from cinemill.storage.retrieval.vectors import measure_place

BATCH_SIZE = 256
"""Vectors that are held at once."""
SAMPLES, NEAREST = 10, 10
"""Vectors that are searched for to compare the two, and how many neighbours of each."""
LEAST_RECALL = 0.9


@dataclass(frozen=True, slots=True)
class Comparison:
    """A collection next to what PostgreSQL has."""

    vectors: int
    points: int
    changes: int
    """Noted, and not applied: by so many the two may differ."""
    recall: float
    """0–1 of the nearest vectors by exact distances that Qdrant finds, too."""

    @property
    def is_equal(self) -> bool:
        return abs(self.vectors - self.points) <= self.changes and self.recall >= LEAST_RECALL


def prepare_projection(
    database: Database, server: QdrantServer, projection: Projection, model: EmbeddingModel
) -> Projection:
    """Create a projection's collection unless it is there; return how far it is filled.

    Raises QdrantUnavailable, DatabaseUnavailable.
    """
    if not server.exists(projection.collection):
        with database.begin() as connection:
            save_progress(connection, projection.id, None)
        projection = replace(projection, filled_to=BEFORE_ALL)
    # Also where it is there: it may lack the indexes of its fields.
    server.create(projection.collection, model.dimension)
    return projection


def fill_projection(
    database: Database,
    server: QdrantServer,
    projection: Projection,
    model: EmbeddingModel,
    *,
    on_page: Callable[[float], None] = lambda _share: None,
) -> None:
    """Copy a model's vectors into a prepared projection, from where it was interrupted.

    ``on_page`` gets the share (0–1) of all ids that are copied, and may raise to stop.

    Raises QdrantUnavailable, DatabaseUnavailable, and NotFound where the model was dropped.
    """
    after = projection.filled_to
    while True:
        with database.begin() as connection:
            get_model(connection, model.id)
            page = read_page(connection, model, after=after, limit=BATCH_SIZE)
        if not page:
            return
        server.save(projection.collection, page)
        after = page[-1].passage_id
        with database.begin() as connection:
            save_progress(connection, projection.id, after)
        on_page(measure_place(after))


def apply_changes(
    database: Database,
    server: QdrantServer,
    model: EmbeddingModel,
    *,
    on_batch: Callable[[int], None] = lambda _applied: None,
) -> int:
    """Bring what changed since to all collections of a model; return how many passages.

    A change is forgotten once every collection has it, and not before. ``on_batch`` gets the number
    so far, and may raise to stop. Raises QdrantUnavailable, DatabaseUnavailable.
    """
    applied, after = 0, BEFORE_ALL
    while True:
        with database.begin() as connection:
            changes = list_changes(connection, model.id, after=after, limit=BATCH_SIZE)
            if not changes:
                return applied
            # Read after the changes: a collection that was begun since then is filled with them.
            collections = [one.collection for one in list_projections(connection, model.id)]
            ids = [one.passage_id for one in changes]
            points = read_points(connection, model, ids)
        gone = sorted({*ids} - {one.passage_id for one in points})
        for collection in collections:
            server.save(collection, points)
            server.delete(collection, gone)
        with database.begin() as connection:
            forget_changes(connection, model.id, changes)
        applied, after = applied + len(changes), changes[-1].passage_id
        on_batch(applied)


def compare(
    database: Database,
    server: QdrantServer,
    projection: Projection,
    model: EmbeddingModel,
    *,
    on_sample: Callable[[int], None] = lambda _compared: None,
) -> Comparison:
    """Count both, and search both for some vectors, PostgreSQL by exact distances.

    ``on_sample`` gets the number of vectors that were searched for, and may raise to stop.
    Raises QdrantUnavailable, DatabaseUnavailable.
    """
    with open_patient_connection(database) as connection:
        counted = connection.execute(
            text(
                f"""
                SELECT (SELECT count(*) FROM {model.partition}) AS vectors,
                       (SELECT count(*) FROM vector_change WHERE model_id = :id) AS changes
                """  # noqa: S608 - made of constants and of two whole numbers
            ),
            {"id": model.id},
        ).one()
        points = server.count(projection.collection)
        recalls = []
        for number in range(SAMPLES):
            sample = _find_sample(connection, model, (number + 0.5) / SAMPLES)
            exact = [] if sample is None else _find_exactly(connection, model, sample)
            # The owner's videos may be deleted between the two statements.
            if sample is not None and exact:
                found = server.find_nearest(
                    projection.collection,
                    sample.vector,
                    SearchScope(sample.owner),
                    SearchFilters(),
                    limit=len(exact),
                )
                near = _count_near(connection, model, sample, found, exact[-1])
                recalls.append(near / len(exact))
            on_sample(number + 1)
    recall = sum(recalls) / len(recalls) if recalls else 1.0
    return Comparison(counted.vectors, points, counted.changes, recall)


def drop_unused(database: Database, server: QdrantServer) -> int:
    """Drop the collections of retired projections and dropped models; return how many.

    Raises QdrantUnavailable; what was not dropped is the next time.
    """
    with database.begin() as connection:
        unused = list_unused(connection)
    for one in unused:
        server.drop(one.collection)
        with database.begin() as connection:
            forget_projection(connection, one.id)
    return len(unused)


@dataclass(frozen=True, slots=True)
class _Sample:
    owner: str
    vector: Sequence[float]
    text: str
    """The vector as PostgreSQL reads it."""


def _find_sample(connection: Connection, model: EmbeddingModel, place: float) -> _Sample | None:
    """Return the first vector from a place (0–1) among all ids on; None where there is none."""
    after = str(UUID(int=int(place * 2**128)))
    page = read_page(connection, model, after=after, limit=1)
    if not page:
        return None
    numbers = ",".join(map(str, page[0].vector))
    return _Sample(page[0].owner, page[0].vector, f"[{numbers}]")


def _find_exactly(connection: Connection, model: EmbeddingModel, sample: _Sample) -> list[float]:
    """Return the cosines of the owner's nearest vectors, the nearest first."""
    # Adding 0 keeps the index out of it.
    query = text(
        f"""
        SELECT 1 - (v.embedding <=> CAST(:vector AS halfvec))
        FROM {model.partition} AS v JOIN passage AS p ON p.id = v.passage_id
        WHERE p.owner = :owner
        ORDER BY (v.embedding <=> CAST(:vector AS halfvec)) + 0 LIMIT {NEAREST}
        """  # noqa: S608 - made of constants and of two whole numbers
    )
    values = {"vector": sample.text, "owner": sample.owner}
    return [float(score) for score in connection.execute(query, values).scalars()]


def _count_near(
    connection: Connection,
    model: EmbeddingModel,
    sample: _Sample,
    found: Sequence[Near],
    least: float,
) -> int:
    """Return how many of these passages are the owner's and so near by their stored vectors."""
    # By their cosines and not by their ids: the same words are said more than once.
    query = text(
        f"""
        SELECT count(*) FROM {model.partition} AS v JOIN passage AS p ON p.id = v.passage_id
        WHERE p.owner = :owner AND v.passage_id = ANY(:ids)
          AND 1 - (v.embedding <=> CAST(:vector AS halfvec)) >= :least
        """  # noqa: S608 - made of constants and of two whole numbers
    )
    values = {
        "vector": sample.text,
        "owner": sample.owner,
        "ids": [UUID(one.passage_id) for one in found],
        "least": least,
    }
    return int(connection.execute(query, values).scalar_one())
