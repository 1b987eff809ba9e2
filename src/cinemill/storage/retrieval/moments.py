"""What is shown, and what is said and written meanwhile, as vectors of two models."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from sqlalchemy import Connection, text

from cinemill.core.retrieval.passages import PassageTrack
from cinemill.storage.retrieval.models import EmbeddingModel
from cinemill.storage.retrieval.passages import parse_ids

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MomentVectors:
    """The vectors of one key frame's passage, as they are stored."""

    picture: Vector
    text: Vector | None
    """Mean of the texts of the same moment; None where there is none."""


def read_moments(
    connection: Connection,
    passage_ids: Collection[str],
    *,
    pictures: EmbeddingModel,
    texts: EmbeddingModel,
) -> dict[str, MomentVectors]:
    """Return the vectors of key frames' passages by id; those without a picture's are left out.

    A text is of the same moment if either of the two contains the middle of the other. The mean is
    taken by PostgreSQL, so that a long shot with many texts takes no more memory than a short one.
    """
    statement = text(
        f"""
        SELECT shown.id, CAST(p.embedding AS text) AS picture, (
            SELECT CAST(avg(t.embedding) AS text) FROM passage AS other
            JOIN {texts.partition} AS t ON t.passage_id = other.id
            WHERE other.asset_id = shown.asset_id AND other.track = ANY(:tracks)
              AND other.start_ms < shown.end_ms AND other.end_ms > shown.start_ms
              AND ((other.start_ms + other.end_ms) / 2 BETWEEN shown.start_ms AND shown.end_ms - 1
                OR (shown.start_ms + shown.end_ms) / 2 BETWEEN other.start_ms AND other.end_ms - 1)
        ) AS said
        FROM passage AS shown JOIN {pictures.partition} AS p ON p.passage_id = shown.id
        WHERE shown.id = ANY(:ids)
        """  # noqa: S608 - made of constants and of whole numbers
    )
    tracks = [one.value for one in PassageTrack if one is not PassageTrack.KEYFRAME]
    rows = connection.execute(statement, {"ids": parse_ids(passage_ids), "tracks": tracks})
    return {
        str(row.id): MomentVectors(
            _parse(row.picture), None if row.said is None else _parse(row.said)
        )
        for row in rows
    }


def list_keyframe_ids(connection: Connection, asset_id: str) -> list[str]:
    """Return the ids of the passages of a video's key frames, in order."""
    statement = text(
        "SELECT id FROM passage WHERE asset_id = :asset_id AND track = 'keyframe' ORDER BY number"
    )
    return [str(one) for one in connection.execute(statement, {"asset_id": asset_id}).scalars()]


def find_shown_passage(
    connection: Connection, owner: str, asset_id: str, time_ms: int
) -> str | None:
    """Return the id of the passage whose picture an owner's video shows at a time.

    It is the one at this time, else the nearest; None where the video has none.
    """
    statement = text(
        """
        SELECT id FROM passage
        WHERE asset_id = :asset_id AND owner = :owner AND track = 'keyframe'
        ORDER BY greatest(start_ms - :time_ms, :time_ms - end_ms + 1, 0), number LIMIT 1
        """
    )
    values = {"asset_id": asset_id, "owner": owner, "time_ms": time_ms}
    found = connection.execute(statement, values).scalar_one_or_none()
    return None if found is None else str(found)


def _parse(stored: str) -> Vector:
    return np.asarray(HalfVector.from_text(stored).to_list(), dtype=np.float32)
