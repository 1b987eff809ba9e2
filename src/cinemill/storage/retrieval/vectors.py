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
SCANNED_AT_ONCE = 4096
"""Passages that are looked at for one page of missing ones."""

_BEFORE_ALL = str(UUID(int=0))


@dataclass(frozen=True, slots=True)
class PassageText:
    """A passage that a model has no vector of yet."""

    id: str
    asset_id: str
    text: str
    frame_ms: int | None = None
    """Of a passage with a picture instead of a text: when it is shown."""


@dataclass(frozen=True, slots=True)
class MissingPage:
    """Passages without a vector, and where the next page begins."""

    missing: Sequence[PassageText]
    end: str | None
    """The id that the next page comes after; None: all passages were looked at."""


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
    asset_id: str | None = None,
    after: str = _BEFORE_ALL,
    limit: int = MOST_AT_ONCE,
) -> MissingPage:
    """Return at most ``limit`` passages without a vector of this model, by id.

    They are those of one video, or of all; each video's follow each other.

    Each call looks at a bounded number of passages after the id ``after``, so that a page may be
    empty and yet not the last.
    """
    # Page by page in the order of the ids, however few are missing: to find the next missing one
    # PostgreSQL would else compare the two tables as a whole each time.
    among = "" if asset_id is None else "asset_id = :asset_id AND"
    query = text(
        f"""
        WITH page AS MATERIALIZED (
            SELECT id, asset_id, text, frame_ms, track FROM passage
            WHERE {among} id > CAST(:after AS uuid) ORDER BY id LIMIT {SCANNED_AT_ONCE}
        ), missing AS MATERIALIZED (
            SELECT id, asset_id, text, frame_ms FROM page
            WHERE track = ANY(:tracks) AND NOT EXISTS (
                SELECT FROM {model.partition} AS v WHERE v.passage_id = page.id)
            ORDER BY id LIMIT :limit
        )
        SELECT id, asset_id, text, frame_ms, NULL AS scanned FROM missing
        UNION ALL
        SELECT NULL, NULL, NULL, NULL, (SELECT id FROM page ORDER BY id DESC LIMIT 1)
        """  # noqa: S608 - made of constants and of two whole numbers
    )
    values: dict[str, object] = {
        "after": after,
        "tracks": [track.value for track in model.tracks],
        "limit": limit,
    }
    if asset_id is not None:
        values["asset_id"] = asset_id
    *rows, end = connection.execute(query, values)
    missing = [PassageText(str(row.id), row.asset_id, row.text, row.frame_ms) for row in rows]
    last = missing[-1].id if len(missing) == limit else end.scanned
    return MissingPage(missing, None if last is None else str(last))


def fill_model(
    database: Database,
    model_id: int,
    embed: Callable[[Sequence[PassageText]], Sequence[ArrayLike | None]],
    *,
    asset_id: str | None = None,
    batch_size: int = MOST_AT_ONCE,
    on_progress: Callable[[int, float], None] = lambda _filled, _share: None,
    should_go_on: Callable[[], bool] = lambda: True,
) -> int:
    """Store a vector of each passage that has none of this model yet; return how many.

    With ``asset_id`` only the passages of that video are looked at.

    ``embed`` gets at most ``batch_size`` passages and returns their vectors in the same order,
    or None for one that cannot have any yet, which stays missing;
    ``on_progress`` gets the number so far, and the share (0–1) of all ids that were looked at; it
    is called after each page, also where nothing of it was missing, and may raise to stop.
    ``should_go_on`` is asked then, and ends it with what was filled so far. Each batch is a
    transaction, so that what was interrupted goes on where it was.

    Raises NotFound where the model was dropped, InputRejected (``embedding_invalid``).
    """
    filled, after = 0, _BEFORE_ALL
    while True:
        with database.begin() as connection:
            model = get_model(connection, model_id)
            page = list_missing(connection, model, asset_id=asset_id, after=after, limit=batch_size)
        if page.missing:
            found = embed(page.missing)
            if len(found) != len(page.missing):
                raise InputRejected(
                    f"{len(page.missing)} passages gave {len(found)} embeddings.",
                    code="embedding_invalid",
                )
            pairs = zip(page.missing, found, strict=True)
            vectors = {one.id: vector for one, vector in pairs if vector is not None}
            with database.begin() as connection:
                save_vectors(connection, get_model(connection, model_id), vectors)
            filled += len(vectors)
        on_progress(filled, 1.0 if page.end is None else measure_place(page.end))
        if page.end is None or not should_go_on():
            return filled
        after = page.end


def measure_place(passage_id: str) -> float:
    """Return which share of all ids is not after this one.

    Ids begin with a hash of their video's, so that videos are spread evenly.
    """
    return int.from_bytes(UUID(passage_id).bytes[:6]) / 2**48


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
