"""Rows of scene graphs: the things of each shot, and where they are to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from cinemill.core.retrieval.hits import SearchScope
from cinemill.errors import NotFound
from cinemill.storage.json_columns import json_parameter

MOST_SCENES = 1_000_000
_SHOTS = "asset_id = :asset_id AND shot >= :first AND shot < :end"
_LOCK = text("SELECT 1 FROM asset WHERE id = :asset_id FOR NO KEY UPDATE")
_INSERT = (
    text(
        """
        INSERT INTO scene (asset_id, shot, start_ms, end_ms)
        SELECT :asset_id, shot, start_ms, end_ms
        FROM jsonb_to_recordset(:rows) AS row (shot int, start_ms bigint, end_ms bigint)
        """
    ).bindparams(json_parameter("rows")),
    text(
        """
        INSERT INTO scene_object (asset_id, shot, number, label, track, start_ms, end_ms,
                                  confidence)
        SELECT :asset_id, shot, number, label, track, start_ms, end_ms, confidence
        FROM jsonb_to_recordset(:rows) AS row (shot int, number int, label text, track int,
            start_ms bigint, end_ms bigint, confidence float8)
        """
    ).bindparams(json_parameter("rows")),
    text(
        """
        INSERT INTO scene_relation (asset_id, shot, subject, predicate, object, start_ms, end_ms,
                                    confidence)
        SELECT :asset_id, shot, subject, predicate, object, start_ms, end_ms, confidence
        FROM jsonb_to_recordset(:rows) AS row (shot int, subject int, predicate text, object int,
            start_ms bigint, end_ms bigint, confidence float8)
        """
    ).bindparams(json_parameter("rows")),
)
_FIND = text(
    """
    SELECT scene.asset_id, scene.shot, scene.start_ms, scene.end_ms
    FROM scene_object AS seen JOIN scene USING (asset_id, shot)
    JOIN asset ON asset.id = scene.asset_id
    WHERE asset.owner = :owner AND seen.label = :label
      AND asset.deletion_ends IS NULL
      AND (cardinality(CAST(:collections AS text[])) = 0 OR asset.collection = ANY(:collections))
      AND (CAST(:other AS text) IS NULL OR EXISTS (
        SELECT FROM scene_relation AS relation JOIN scene_object AS other
            ON (other.asset_id, other.shot, other.number)
             = (relation.asset_id, relation.shot, relation.object)
        WHERE (relation.asset_id, relation.shot, relation.subject)
            = (seen.asset_id, seen.shot, seen.number)
          AND relation.predicate = :predicate AND other.label = :other))
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2 LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True)
class SceneObject:
    """A thing that is seen in a shot."""

    label: str
    track: int | None
    start_ms: int
    end_ms: int
    confidence: float | None


@dataclass(frozen=True, slots=True)
class SceneRelation:
    """Two things, by their numbers in the scene, and where they are to each other for a time."""

    subject: int
    predicate: str
    object: int
    start_ms: int
    end_ms: int
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Scene:
    """The things of a shot, numbered from 0 in this order, and their relations."""

    start_ms: int
    end_ms: int
    objects: Sequence[SceneObject]
    relations: Sequence[SceneRelation]


@dataclass(frozen=True, slots=True)
class SceneMoment:
    """A shot that shows what was asked for."""

    asset_id: str
    shot: int
    start_ms: int
    end_ms: int


def save_scenes(connection: Connection, asset_id: str, scenes: Sequence[Scene]) -> None:
    """Make these the scenes of a video, one for each shot in order.

    Raises NotFound (``asset_not_found``).
    """
    if connection.execute(_LOCK, {"asset_id": asset_id}).first() is None:
        raise NotFound(f"There is no asset {asset_id}.", code="asset_not_found")
    connection.execute(text("DELETE FROM scene WHERE asset_id = :asset_id"), {"asset_id": asset_id})
    shots = [
        {"shot": shot, "start_ms": scene.start_ms, "end_ms": scene.end_ms}
        for shot, scene in enumerate(scenes)
    ]
    objects = [
        {
            "shot": shot,
            "number": number,
            "label": one.label,
            "track": one.track,
            "start_ms": one.start_ms,
            "end_ms": one.end_ms,
            "confidence": one.confidence,
        }
        for shot, scene in enumerate(scenes)
        for number, one in enumerate(scene.objects)
    ]
    relations = [
        {
            "shot": shot,
            "subject": one.subject,
            "predicate": one.predicate,
            "object": one.object,
            "start_ms": one.start_ms,
            "end_ms": one.end_ms,
            "confidence": one.confidence,
        }
        for shot, scene in enumerate(scenes)
        for one in scene.relations
    ]
    for statement, rows in zip(_INSERT, (shots, objects, relations), strict=True):
        if rows:
            connection.execute(statement, {"asset_id": asset_id, "rows": rows})


def list_scenes(
    connection: Connection, asset_id: str, *, first: int = 0, limit: int = MOST_SCENES
) -> list[Scene]:
    """Return the scenes of a video in order of its shots, from the shot ``first`` on."""
    values = {"asset_id": asset_id, "first": first, "end": first + limit}
    scenes: dict[int, Scene] = {}
    objects: dict[int, list[SceneObject]] = {}
    relations: dict[int, list[SceneRelation]] = {}
    for row in connection.execute(
        text(f"SELECT * FROM scene WHERE {_SHOTS} ORDER BY shot"),  # noqa: S608
        values,
    ):
        objects[row.shot], relations[row.shot] = [], []
        scenes[row.shot] = Scene(row.start_ms, row.end_ms, objects[row.shot], relations[row.shot])
    for row in connection.execute(
        text(f"SELECT * FROM scene_object WHERE {_SHOTS} ORDER BY shot, number"),  # noqa: S608
        values,
    ):
        objects[row.shot].append(
            SceneObject(row.label, row.track, row.start_ms, row.end_ms, row.confidence)
        )
    for row in connection.execute(
        text(
            f"SELECT * FROM scene_relation WHERE {_SHOTS} "  # noqa: S608
            "ORDER BY shot, start_ms, subject, predicate, object"
        ),
        values,
    ):
        relations[row.shot].append(
            SceneRelation(
                row.subject, row.predicate, row.object, row.start_ms, row.end_ms, row.confidence
            )
        )
    return [*scenes.values()]


def find_scenes(
    connection: Connection,
    scope: SearchScope,
    label: str,
    *,
    predicate: str = "",
    other: str | None = None,
    limit: int = 100,
) -> list[SceneMoment]:
    """Return the shots that show a thing; with ``other``, in this relation to another thing."""
    values = {
        "owner": scope.owner,
        "collections": [*scope.collections],
        "label": label,
        "predicate": predicate,
        "other": other,
        "limit": limit,
    }
    return [
        SceneMoment(row.asset_id, row.shot, row.start_ms, row.end_ms)
        for row in connection.execute(_FIND, values)
    ]
