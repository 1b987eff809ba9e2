"""Rows of embedding models, and how one takes the place of another.

The new model's partition is filled next to the old one's, in batches of a caller's size; indexed;
counted; made the active one; and only then is the old one dropped. Searches use the active model of
their space, so that they never mix vectors of two models.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, RowMapping, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from cinemill.core.retrieval.passages import PassageTrack
from cinemill.errors import Conflict, InputRejected, NotFound
from cinemill.storage.database import Database, open_patient_connection
from cinemill.storage.retrieval import tables
from cinemill.storage.retrieval.model_locks import ModelWork, try_lock_model

MOST_DIMENSIONS = 4000
"""Of an index of half-precision vectors."""
LONGEST_NAME = 200
M, EF_CONSTRUCTION = 16, 64
"""Of the HNSW index: a million vectors of 384 numbers take six minutes and 1.4 GB."""
LEAST_BUILD_MB, MOST_BUILD_MB = 64, 1536
"""Memory of PostgreSQL for building an index: one that does not fit takes much longer."""
DISK_FULL = "53100"
"""PostgreSQL's code, also for shared memory."""
LOCK_POLL_SECONDS = 0.25
NODE_BYTES = 760
"""Of an index, for each vector: its links, and what the server adds to each; measured: 717."""

_COLUMNS = tables.embedding_model.c


class ModelState(StrEnum):
    """Of an embedding model; the words are stored."""

    FILLING = "filling"
    ACTIVE = "active"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """A row of ``embedding_model``."""

    id: int
    space: str
    """What its vectors are comparable with: ``text``, ``picture``. One model of each is active."""
    name: str
    revision: str
    dimension: int
    tracks: tuple[PassageTrack, ...]
    """Whose passages have a vector."""
    state: ModelState

    @property
    def partition(self) -> str:
        """Name of the table with its vectors. Made of two whole numbers, and so safe in SQL."""
        return f"embedding_{self.dimension:d}_{self.id:d}"

    @property
    def index(self) -> str:
        return f"{self.partition}_hnsw"


def register_model(
    connection: Connection,
    *,
    space: str,
    name: str,
    revision: str,
    dimension: int,
    tracks: Sequence[PassageTrack],
) -> EmbeddingModel:
    """Return the model of this name and revision; a new one gets a partition to be filled.

    A model that was retired, and whose vectors are not dropped yet, is filled again. The tracks of
    a known model become these, and its vectors of others are deleted.

    Raises InputRejected (``embedding_model_invalid``) where a name is empty, too long or
    unprintable, or the dimension is not 1 to ``MOST_DIMENSIONS``; Conflict
    (``embedding_dimension_changed``) where the same revision had another dimension.
    """
    _check(space, name, revision, dimension)
    connection.execute(text("LOCK TABLE embedding_model IN SHARE ROW EXCLUSIVE MODE"))
    known = find_model(connection, space=space, name=name, revision=revision)
    if known is not None:
        return _resume(connection, known, dimension, tracks)
    statement = insert(tables.embedding_model).values(
        space=space,
        name=name,
        revision=revision,
        dimension=dimension,
        tracks=[track.value for track in tracks],
    )
    created = connection.execute(statement.returning(*_COLUMNS)).mappings().one()
    model = _read(created)
    connection.execute(text("SELECT create_embedding_partition(:id)"), {"id": model.id})
    return model


def get_model(connection: Connection, model_id: int) -> EmbeddingModel:
    """Return a model. Raises NotFound (``embedding_model_not_found``)."""
    query = select(tables.embedding_model).where(_COLUMNS.id == model_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFound(f"There is no embedding model {model_id}.", code="embedding_model_not_found")
    return _read(row)


def find_active_model(connection: Connection, space: str) -> EmbeddingModel | None:
    """Return the model that searches in this space use, if there is one."""
    query = select(tables.embedding_model).where(
        _COLUMNS.space == space, _COLUMNS.state == ModelState.ACTIVE.value
    )
    row = connection.execute(query).mappings().first()
    return None if row is None else _read(row)


def find_model(
    connection: Connection, *, space: str, name: str, revision: str
) -> EmbeddingModel | None:
    """Return the model of this name and revision, if it was registered."""
    query = select(tables.embedding_model).where(
        _COLUMNS.space == space, _COLUMNS.name == name, _COLUMNS.revision == revision
    )
    row = connection.execute(query).mappings().first()
    return None if row is None else _read(row)


def list_models(connection: Connection, *, space: str | None = None) -> list[EmbeddingModel]:
    """Return the models, oldest first."""
    query = select(tables.embedding_model).order_by(_COLUMNS.id)
    if space is not None:
        query = query.where(_COLUMNS.space == space)
    return [_read(row) for row in connection.execute(query).mappings()]


def build_index(
    database: Database,
    model: EmbeddingModel,
    *,
    most_memory_mb: int = MOST_BUILD_MB,
    on_wait: Callable[[], None] = lambda: None,
) -> None:
    """Build the index of a model's vectors unless it exists; others may write meanwhile.

    Filling first and indexing afterwards takes a fraction of the time of adding each vector to an
    index. An index that was left unfinished is built again. PostgreSQL may use as much memory as
    the index needs, at most ``most_memory_mb``.

    While another worker builds the same index, this waits for it; ``on_wait`` is called several
    times a second meanwhile, and may raise to stop. A build that has begun is PostgreSQL's: it goes
    on where this process ends.
    """
    with open_patient_connection(database) as connection:
        while not try_lock_model(connection, ModelWork.INDEX, model.id):
            on_wait()
            time.sleep(LOCK_POLL_SECONDS)
        # The last phase waits for every transaction that is older than the index, such as a backup;
        # giving up would throw a finished build away.
        connection.exec_driver_sql("SET lock_timeout = 0")
        _outlive_client(connection)
        state = _find_index_state(connection, model)
        if state is False:  # its builder is gone, for the lock was free
            connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY {model.index}")
        if state:
            return
        connection.exec_driver_sql(f"ANALYZE {model.partition}")
        memory_mb = _estimate_memory_mb(connection, model, most_memory_mb)
        connection.exec_driver_sql(f"SET maintenance_work_mem = '{memory_mb:d}MB'")
        _create_index_within_memory(connection, model)


def _outlive_client(connection: Connection) -> None:
    """Let a statement go on whose client is gone, where the server is set to look for that."""
    connection.exec_driver_sql(
        "SELECT set_config(name, '0', false) FROM pg_settings "
        "WHERE name = 'client_connection_check_interval'"  # PostgreSQL 13 has none
    )


def _create_index_within_memory(connection: Connection, model: EmbeddingModel) -> None:
    try:
        _create_index(connection, model)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != DISK_FULL:
            raise
        # Processes that build together need all of the memory as shared memory, of which
        # containers often have little; one alone needs none.
        connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {model.index}")
        connection.exec_driver_sql("SET max_parallel_maintenance_workers = 0")
        _create_index(connection, model)


def _create_index(connection: Connection, model: EmbeddingModel) -> None:
    connection.exec_driver_sql(
        f"CREATE INDEX CONCURRENTLY {model.index} ON {model.partition} "
        f"USING hnsw (embedding halfvec_cosine_ops) "
        f"WITH (m = {M}, ef_construction = {EF_CONSTRUCTION})"
    )


def _estimate_memory_mb(connection: Connection, model: EmbeddingModel, most_mb: int) -> int:
    query = text("SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = to_regclass(:name)")
    rows = connection.execute(query, {"name": model.partition}).scalar_one()
    needed_mb: int = math.ceil(rows * (2 * model.dimension + NODE_BYTES) / 2**20)
    return max(LEAST_BUILD_MB, min(needed_mb, most_mb))


def activate_model(connection: Connection, model_id: int) -> EmbeddingModel:
    """Make a model the one that searches use, and retire the one that was.

    Raises NotFound (``embedding_model_not_found``); Conflict (``embedding_model_incomplete``)
    where a passage has no vector yet or the index is missing.
    """
    # No passage may be added between counting and switching; reading goes on.
    connection.execute(text("LOCK TABLE passage IN SHARE MODE"))
    connection.execute(
        text("SELECT FROM embedding_model WHERE id = :id FOR UPDATE"), {"id": model_id}
    )
    model = get_model(connection, model_id)
    missing = count_missing(connection, model)
    if missing or not _find_index_state(connection, model):
        what = f"{missing} passages have no vector" if missing else "its index is not built"
        raise Conflict(
            f"The embedding model {model.name} cannot be used yet: {what}.",
            code="embedding_model_incomplete",
            hint="Go on filling it; the model before it is used meanwhile.",
        )
    for state, condition in (
        (ModelState.RETIRED, "space = :space AND state = 'active' AND id <> :id"),
        (ModelState.ACTIVE, "id = :id"),
    ):
        connection.execute(
            text(f"UPDATE embedding_model SET state = :state WHERE {condition}"),  # noqa: S608
            {"state": state.value, "space": model.space, "id": model.id},
        )
    return get_model(connection, model_id)


def drop_retired(connection: Connection) -> list[EmbeddingModel]:
    """Drop the vectors of retired models, and the models; return them.

    One that another worker is dropping is left to it.
    Raises LockTimeout, with nothing dropped, where searches hold a partition for too long.
    """
    query = (
        select(tables.embedding_model)
        .where(_COLUMNS.state == ModelState.RETIRED.value)
        .order_by(_COLUMNS.id)
        .with_for_update(skip_locked=True)
    )
    retired = [_read(row) for row in connection.execute(query).mappings()]
    for model in retired:
        _drop(connection, model)
    return retired


def drop_if_empty(connection: Connection, model_id: int) -> bool:
    """Drop a model that is being filled and has no vector yet; return whether it was one.

    Raises NotFound (``embedding_model_not_found``); LockTimeout, with nothing dropped, where
    searches hold a partition for too long.
    """
    connection.execute(
        text("SELECT FROM embedding_model WHERE id = :id FOR UPDATE"), {"id": model_id}
    )
    model = get_model(connection, model_id)
    query = text(f"SELECT EXISTS (SELECT FROM {model.partition})")  # noqa: S608
    if model.state is not ModelState.FILLING or connection.execute(query).scalar_one():
        return False
    _drop(connection, model)
    return True


def _drop(connection: Connection, model: EmbeddingModel) -> None:
    connection.exec_driver_sql(f"DROP TABLE {model.partition}")
    connection.execute(text("DELETE FROM embedding_model WHERE id = :id"), {"id": model.id})


def count_missing(
    connection: Connection, model: EmbeddingModel, *, asset_id: str | None = None
) -> int:
    """Return how many passages of the model's tracks have no vector of it yet, in one video or all.

    Counting in all videos reads all passages.
    """
    among = "true" if asset_id is None else "asset_id = :asset_id"
    query = text(f"SELECT count(*) FROM ({_select_missing(model, among)}) AS missing")  # noqa: S608
    values: dict[str, object] = {"tracks": [track.value for track in model.tracks]}
    if asset_id is not None:
        values["asset_id"] = asset_id
    return int(connection.execute(query, values).scalar_one())


def has_missing(connection: Connection, model: EmbeddingModel) -> bool:
    """Check whether a passage of the model's tracks has no vector of it yet."""
    query = text(f"SELECT EXISTS ({_select_missing(model, 'true')})")
    tracks = [track.value for track in model.tracks]
    return bool(connection.execute(query, {"tracks": tracks}).scalar_one())


def _select_missing(model: EmbeddingModel, among: str) -> str:
    return f"""
        SELECT FROM passage WHERE {among} AND track = ANY(:tracks) AND NOT EXISTS (
            SELECT FROM {model.partition} AS v WHERE v.passage_id = passage.id)
        """  # noqa: S608 - made of constants and of two whole numbers


def _check(space: str, name: str, revision: str, dimension: int) -> None:
    names_are_valid = (
        space
        and name
        and all(len(one) <= LONGEST_NAME and one.isprintable() for one in (space, name, revision))
    )
    if not names_are_valid or not 1 <= dimension <= MOST_DIMENSIONS:
        raise InputRejected(
            f"An embedding model needs a printable name of at most {LONGEST_NAME} characters and "
            f"1 to {MOST_DIMENSIONS} dimensions.",
            code="embedding_model_invalid",
        )


def _resume(
    connection: Connection, model: EmbeddingModel, dimension: int, tracks: Sequence[PassageTrack]
) -> EmbeddingModel:
    if model.dimension != dimension:
        raise Conflict(
            f"The embedding model {model.name} had {model.dimension} dimensions and now has "
            f"{dimension}.",
            code="embedding_dimension_changed",
            hint="Give the changed model another name or revision.",
        )
    if set(tracks) != set(model.tracks):
        _set_tracks(connection, model, tracks)
    if model.state is ModelState.RETIRED:
        connection.execute(
            text("UPDATE embedding_model SET state = 'filling' WHERE id = :id"), {"id": model.id}
        )
    return get_model(connection, model.id)


def _set_tracks(
    connection: Connection, model: EmbeddingModel, tracks: Sequence[PassageTrack]
) -> None:
    values = {"tracks": [track.value for track in tracks], "id": model.id}
    connection.execute(text("UPDATE embedding_model SET tracks = :tracks WHERE id = :id"), values)
    connection.execute(
        text(
            f"""
            DELETE FROM {model.partition} AS v USING passage
            WHERE passage.id = v.passage_id AND NOT passage.track = ANY(:tracks)
            """  # noqa: S608
        ),
        values,
    )


def _find_index_state(connection: Connection, model: EmbeddingModel) -> bool | None:
    """Return whether the index is usable; None: there is none."""
    query = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
    return connection.execute(query, {"name": model.index}).scalar_one_or_none()


def _read(row: RowMapping) -> EmbeddingModel:
    return EmbeddingModel(
        id=row["id"],
        space=row["space"],
        name=row["name"],
        revision=row["revision"],
        dimension=row["dimension"],
        tracks=tuple(PassageTrack(track) for track in row["tracks"]),
        state=ModelState(row["state"]),
    )
