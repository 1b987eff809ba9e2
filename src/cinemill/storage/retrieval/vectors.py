"""Rows of embeddings: half-precision vectors of passages, in one table for each model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pgvector import HalfVector
from sqlalchemy import Connection, text

from cinemill.errors import InputRejected, NotFound
from cinemill.storage.database import Database
from cinemill.storage.retrieval.models import EmbeddingModel, get_model
from cinemill.storage.retrieval.passages import parse_ids

LARGEST = 65504.0
"""What a half-precision number holds."""
MOST_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class PassageText:
    """A passage that a model has no vector of yet."""

    id: str
    asset_id: str
    text: str


def check_vector(vector: ArrayLike, dimension: int) -> NDArray[np.float32]:
    """Return a vector that can be stored and compared: finite, of this dimension, not zero.

    Raises InputRejected (``embedding_invalid``).
    """
    array = np.asarray(vector, dtype=np.float32)
    if array.shape != (dimension,):
        raise InputRejected(
            f"An embedding has the shape {array.shape}, and the model's is ({dimension},).",
            code="embedding_invalid",
            hint="Embed with the model that the index was built with.",
        )
    # Not the norm alone: in half precision a small vector would become zero.
    if not np.isfinite(array).all() or np.abs(array).max() > LARGEST:
        raise InputRejected("An embedding is not finite.", code="embedding_invalid")
    if not array.astype(np.float16).any():
        raise InputRejected("An embedding is zero.", code="embedding_invalid")
    return array


def save_vectors(
    connection: Connection, model: EmbeddingModel, vectors: Mapping[str, ArrayLike]
) -> None:
    """Store the vectors of passages, by their ids, in place of earlier ones.

    A passage that was deleted meanwhile is left out.

    Raises InputRejected (``embedding_invalid``), with nothing stored.
    """
    texts = {
        UUID(one): HalfVector(check_vector(vector, model.dimension)).to_text()
        for one, vector in vectors.items()
    }
    if not texts:
        return
    # The passages stay locked against deletion until the transaction ends, in one order for all.
    connection.execute(
        text(
            f"""
            WITH given AS (
                SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:vectors AS text[]))
                    AS given (id, embedding)
            ), kept AS (
                SELECT passage.id, given.embedding FROM passage JOIN given USING (id)
                ORDER BY passage.id FOR KEY SHARE OF passage
            )
            INSERT INTO {model.partition} AS stored (model_id, passage_id, embedding)
            SELECT :model, id, CAST(embedding AS halfvec) FROM kept
            ON CONFLICT (passage_id, model_id) DO UPDATE SET embedding = excluded.embedding
            WHERE stored.embedding <> excluded.embedding
            """  # noqa: S608
        ),
        {"ids": [*texts], "vectors": [*texts.values()], "model": model.id},
    )


def list_missing(
    connection: Connection,
    model: EmbeddingModel,
    *,
    after: str | None = None,
    limit: int = MOST_AT_ONCE,
) -> list[PassageText]:
    """Return passages without a vector of this model, by id; those ``after`` one."""
    query = text(
        f"""
        SELECT id, asset_id, text FROM passage
        WHERE (CAST(:after AS uuid) IS NULL OR id > CAST(:after AS uuid)) AND track = ANY(:tracks)
          AND NOT EXISTS (SELECT FROM {model.partition} AS v WHERE v.passage_id = passage.id)
        ORDER BY id LIMIT :limit
        """  # noqa: S608
    )
    values = {
        "after": None if after is None else UUID(after),
        "tracks": [track.value for track in model.tracks],
        "limit": limit,
    }
    return [
        PassageText(str(row.id), row.asset_id, row.text)
        for row in connection.execute(query, values)
    ]


def fill_model(
    database: Database,
    model_id: int,
    embed: Callable[[Sequence[PassageText]], Sequence[ArrayLike]],
    *,
    batch_size: int = MOST_AT_ONCE,
    on_progress: Callable[[int], None] = lambda _filled: None,
) -> int:
    """Store a vector of each passage that has none of this model yet; return how many.

    ``embed`` gets at most ``batch_size`` passages and returns their vectors in the same order;
    ``on_progress`` gets the number so far after each batch, and may raise to stop. Each batch is a
    transaction, so that what was interrupted goes on where it was.

    Raises NotFound where the model was dropped, InputRejected (``embedding_invalid``).
    """
    filled, last = 0, None
    while True:
        with database.begin() as connection:
            model = get_model(connection, model_id)
            batch = list_missing(connection, model, after=last, limit=batch_size)
        if not batch:
            return filled
        found = embed(batch)
        if len(found) != len(batch):
            raise InputRejected(
                f"{len(batch)} texts gave {len(found)} embeddings.", code="embedding_invalid"
            )
        with database.begin() as connection:
            vectors = {one.id: vector for one, vector in zip(batch, found, strict=True)}
            save_vectors(connection, get_model(connection, model_id), vectors)
        filled, last = filled + len(batch), batch[-1].id
        on_progress(filled)


def get_vector(
    connection: Connection, model: EmbeddingModel, owner: str, passage_id: str
) -> NDArray[np.float32]:
    """Return the vector of an owner's passage. Raises NotFound (``embedding_not_found``)."""
    query = text(
        f"""
        SELECT CAST(v.embedding AS text) FROM {model.partition} AS v
        JOIN passage ON passage.id = v.passage_id
        WHERE v.passage_id = ANY(:ids) AND passage.owner = :owner
        """  # noqa: S608
    )
    values = {"ids": parse_ids([passage_id]), "owner": owner}
    found = connection.execute(query, values).scalar_one_or_none()
    if found is None:
        raise NotFound(f"The passage {passage_id} has no embedding.", code="embedding_not_found")
    return np.asarray(HalfVector.from_text(found).to_list(), dtype=np.float32)
