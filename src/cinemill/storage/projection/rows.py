"""Rows of projections: the collections that hold a model's vectors, and what changed since.

PostgreSQL decides which collection searches ask: one that is being filled is unknown to them until
it takes the other's place, in one transaction. Each change of a vector is noted by a trigger in the
transaction that makes it, and forgotten once the collections have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Connection, RowMapping, select, text

from cinemill.errors import Conflict
from cinemill.storage.database import Database
from cinemill.storage.projection import tables
from cinemill.storage.retrieval.models import EmbeddingModel, get_model

BEFORE_ALL = str(UUID(int=0))
MOST_NOTED = 1_000_000
"""Changes of a model. With more, filling its collection from the start takes less."""
FORGOTTEN_AT_ONCE = 20_000
HOURS_AFTER_FAILURE = 6
"""Before another collection is filled by itself where one was not what PostgreSQL has."""

_COLUMNS = tables.vector_projection.c


class ProjectionReplaced(Conflict):
    """A projection that was being filled was given up meanwhile."""

    code = "projection_replaced"
    hint = "No action is needed; another collection is filled."


class ProjectionState(StrEnum):
    """Of a projection; the words are stored."""

    FILLING = "filling"
    READY = "ready"
    """Searches ask it."""
    RETIRED = "retired"
    """Its collection is to be dropped."""


@dataclass(frozen=True, slots=True)
class Projection:
    """A row of ``vector_projection``."""

    id: int
    model_id: int | None
    """None once the model was dropped."""
    collection: str
    """Its name in Qdrant, which no other installation has."""
    state: ProjectionState
    filled_to: str
    """Id of the last passage whose vector was copied while it is being filled."""
    job_ids: tuple[str, ...] = ()
    """Jobs that asked for it."""


@dataclass(frozen=True, slots=True)
class VectorChange:
    """A passage whose vector or filters changed, appeared, or are gone."""

    passage_id: str
    version: int
    """Grows with each change of the same passage."""


def list_projections(connection: Connection, model_id: int) -> list[Projection]:
    """Return a model's projections that are not retired, oldest first."""
    query = select(tables.vector_projection).where(
        _COLUMNS.model_id == model_id, _COLUMNS.state != ProjectionState.RETIRED.value
    )
    return [_read(row) for row in connection.execute(query.order_by(_COLUMNS.id)).mappings()]


def find_ready(connection: Connection, model_id: int) -> Projection | None:
    """Return the projection that searches with this model ask, if there is one."""
    for one in list_projections(connection, model_id):
        if one.state is ProjectionState.READY:
            return one
    return None


def begin_projection(connection: Connection, model: EmbeddingModel, job_id: str = "") -> Projection:
    """Begin another collection for a model's vectors, in place of one that is being filled.

    From here on, each change of its vectors is noted.
    Raises LockTimeout where a writer holds the vectors for too long.
    """
    # A transaction that writes now notes nothing: wait for its end, and let no other begin.
    connection.execute(text("LOCK TABLE passage IN SHARE MODE"))
    retire_projections(connection, model.id, ProjectionState.FILLING)
    connection.exec_driver_sql(
        f"CREATE OR REPLACE TRIGGER vector_change AFTER INSERT OR UPDATE OR DELETE "
        f"ON {model.partition} FOR EACH ROW EXECUTE FUNCTION note_vector_change()"
    )
    created = connection.execute(
        text(
            """
            INSERT INTO vector_projection (model_id, collection, job_id)
            VALUES (:model_id, 'cinemill-' || gen_random_uuid(), :job_id) RETURNING *
            """
        ),
        {"model_id": model.id, "job_id": job_id},
    )
    return _read(created.mappings().one())


def join_projection(connection: Connection, projection_id: int, job_id: str) -> None:
    """Note that one more job asked for a projection; its id must have no blank in it."""
    connection.execute(
        text("UPDATE vector_projection SET job_id = trim(job_id || ' ' || :job_id) WHERE id = :id"),
        {"id": projection_id, "job_id": job_id},
    )


def save_progress(connection: Connection, projection_id: int, filled_to: str | None) -> None:
    """Note how far a projection is filled; None: it begins again."""
    connection.execute(
        text("UPDATE vector_projection SET filled_to = :filled_to WHERE id = :id"),
        {"id": projection_id, "filled_to": None if filled_to is None else UUID(filled_to)},
    )


def switch_projection(connection: Connection, projection: Projection) -> None:
    """Make a filled projection the one that searches ask, and retire the one before.

    Raises ProjectionReplaced, with nothing changed, where it is no longer being filled.
    """
    model_id = connection.execute(
        text(
            """
            SELECT model_id FROM vector_projection
            WHERE id = :id AND state = 'filling' AND model_id IS NOT NULL FOR UPDATE
            """
        ),
        {"id": projection.id},
    ).scalar_one_or_none()
    if model_id is None:
        raise ProjectionReplaced("The collection was given up, or its model, while it was filled.")
    retire_projections(connection, model_id, ProjectionState.READY)
    connection.execute(
        text("UPDATE vector_projection SET state = 'ready' WHERE id = :id"), {"id": projection.id}
    )
    # What failed before matters no more.
    connection.execute(
        text("UPDATE vector_projection SET failed_at = NULL WHERE model_id = :model_id"),
        {"model_id": model_id},
    )


def fail_projection(connection: Connection, projection_id: int) -> None:
    """Retire a filled projection that is not what PostgreSQL has, and note when that was."""
    connection.execute(
        text(
            """
            UPDATE vector_projection SET state = 'retired', failed_at = clock_timestamp()
            WHERE id = :id
            """
        ),
        {"id": projection_id},
    )


def has_failed_lately(connection: Connection, model_id: int) -> bool:
    """Check whether a projection of a model failed less than ``HOURS_AFTER_FAILURE`` ago."""
    return bool(
        connection.execute(
            text(
                """
                SELECT EXISTS (
                    SELECT FROM vector_projection WHERE model_id = :id
                      AND failed_at > clock_timestamp() - make_interval(hours => :hours)
                      AND failed_at < clock_timestamp() + make_interval(hours => :hours))
                """
            ),
            {"id": model_id, "hours": HOURS_AFTER_FAILURE},
        ).scalar_one()
    )


def retire_projections(connection: Connection, model_id: int, state: ProjectionState) -> None:
    """Let nobody ask or fill a model's projections of a state; their collections are dropped."""
    connection.execute(
        text(
            "UPDATE vector_projection SET state = 'retired' "
            "WHERE model_id = :model_id AND state = :state"
        ),
        {"model_id": model_id, "state": state.value},
    )


def list_unused(connection: Connection) -> list[Projection]:
    """Return the projections whose collections are to be dropped, also of dropped models."""
    query = select(tables.vector_projection).where(
        (_COLUMNS.state == ProjectionState.RETIRED.value) | _COLUMNS.model_id.is_(None)
    )
    return [_read(row) for row in connection.execute(query.order_by(_COLUMNS.id)).mappings()]


def forget_projection(connection: Connection, projection_id: int) -> None:
    """Forget a projection whose collection was dropped, once its failure matters no more."""
    connection.execute(
        text(
            """
            DELETE FROM vector_projection WHERE id = :id AND (
                model_id IS NULL OR failed_at IS NULL
                OR failed_at <= clock_timestamp() - make_interval(hours => :hours)
                OR failed_at >= clock_timestamp() + make_interval(hours => :hours))
            """
        ),
        {"id": projection_id, "hours": HOURS_AFTER_FAILURE},
    )


def list_changes(
    connection: Connection, model_id: int, *, after: str = BEFORE_ALL, limit: int
) -> list[VectorChange]:
    """Return at most so many changes of a model's vectors, by the ids of the passages."""
    rows = connection.execute(
        text(
            """
            SELECT passage_id, version FROM vector_change
            WHERE model_id = :model_id AND passage_id > CAST(:after AS uuid)
            ORDER BY passage_id LIMIT :limit
            """
        ),
        {"model_id": model_id, "after": after, "limit": limit},
    )
    return [VectorChange(str(row.passage_id), row.version) for row in rows]


def forget_changes(connection: Connection, model_id: int, changes: Sequence[VectorChange]) -> None:
    """Forget changes that the collections have, unless the same passage changed again.

    One that another transaction is just making again stays as well: waiting for it while holding
    others could make the two wait for each other.
    """
    connection.execute(
        text(
            """
            DELETE FROM vector_change USING (
                SELECT noted.passage_id FROM vector_change AS noted
                JOIN unnest(CAST(:ids AS uuid[]), CAST(:versions AS bigint[]))
                    AS done (passage_id, version) USING (passage_id, version)
                WHERE noted.model_id = :model_id FOR UPDATE OF noted SKIP LOCKED
            ) AS unchanged
            WHERE vector_change.model_id = :model_id
              AND vector_change.passage_id = unchanged.passage_id
            """
        ),
        {
            "model_id": model_id,
            "ids": [UUID(one.passage_id) for one in changes],
            "versions": [one.version for one in changes],
        },
    )


def give_up_projections(database: Database, most_noted: int = MOST_NOTED) -> list[str]:
    """Retire the projections of models with more changes than this; return the models' names.

    That is so where Qdrant was away for long, or is no longer set up. Changes are no longer noted
    then, and the next projection begins with all vectors.
    Raises DatabaseUnavailable, and LockTimeout, with nothing done, where a writer holds the vectors
    for too long.
    """
    with database.begin() as connection:
        models = _list_changed(connection, most_noted)
        for model in models:
            for state in (ProjectionState.FILLING, ProjectionState.READY):
                retire_projections(connection, model.id, state)
        # At the end, for nobody reads or writes the vectors from here to the commit.
        for model in models:
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS vector_change ON {model.partition}")
    for model in models:
        more = True
        while more:
            with database.begin() as connection:
                more = _forget_useless(connection, model.id) > 0
    return [model.name for model in models]


def _list_changed(connection: Connection, most_noted: int) -> list[EmbeddingModel]:
    """Return the models with more changes than this."""
    ids = connection.execute(
        text(
            """
            SELECT id FROM embedding_model WHERE EXISTS (
                SELECT FROM vector_change WHERE model_id = embedding_model.id
                OFFSET CAST(:most AS bigint))
            """
        ),
        {"most": most_noted},
    )
    return [get_model(connection, model_id) for model_id in ids.scalars().all()]


def _forget_useless(connection: Connection, model_id: int) -> int:
    """Forget some changes of a model unless it has a projection; return how many."""
    # By the version too: one that is noted again meanwhile is for a projection that began since.
    return connection.execute(
        text(
            """
            DELETE FROM vector_change USING (
                SELECT passage_id, version FROM vector_change
                WHERE model_id = :model_id AND NOT EXISTS (
                    SELECT FROM vector_projection
                    WHERE model_id = :model_id AND state <> 'retired')
                LIMIT :limit FOR UPDATE OF vector_change SKIP LOCKED
            ) AS useless
            WHERE vector_change.model_id = :model_id
              AND vector_change.passage_id = useless.passage_id
              AND vector_change.version = useless.version
            """
        ),
        {"model_id": model_id, "limit": FORGOTTEN_AT_ONCE},
    ).rowcount


def _read(row: RowMapping) -> Projection:
    return Projection(
        id=row["id"],
        model_id=row["model_id"],
        collection=row["collection"],
        state=ProjectionState(row["state"]),
        filled_to=BEFORE_ALL if row["filled_to"] is None else str(row["filled_to"]),
        job_ids=tuple(row["job_id"].split()),
    )
