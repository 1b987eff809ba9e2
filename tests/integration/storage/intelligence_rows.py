"""Videos with everything that intelligence stores, for the specifications of those rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text

from cinemill.core.findings.finding import Finding, FindingKind, FindingModel, PictureBox
from cinemill.core.knowledge.graph import (
    EntityKind,
    Mention,
    Modality,
    Relation,
    RelationKind,
    TextSpan,
)
from cinemill.core.retrieval.passages import Passage, PassageTrack
from cinemill.storage.database import Database
from cinemill.storage.findings import sets
from cinemill.storage.knowledge.evidence import PassageEvidence, save_evidence
from cinemill.storage.knowledge.scenes import Scene, SceneObject, SceneRelation, save_scenes
from cinemill.storage.media import assets
from cinemill.storage.retrieval import conversations, models, vectors
from cinemill.storage.retrieval.models import EmbeddingModel
from cinemill.storage.retrieval.passages import save_passages

DIMENSION = 8
MODEL = FindingModel("local", "nanodet", "abc", 2)
SPEECH = PassageTrack.SPEECH
TABLES = (
    "asset",
    "finding_set",
    "finding",
    "entity",
    "mention",
    "relation_evidence",
    "merge_log",
    "scene",
    "scene_object",
    "scene_relation",
    "passage",
    "word",
    "asset_word",
    "embedding_model",
    "conversation",
    "conversation_turn",
    "turn_asset",
)


def register(database: Database, name: str, *, owner: str = "ann", collection: str = "") -> str:
    """Register the video ``name``, whose id is its name."""
    with database.begin() as connection:
        assets.register_asset(
            connection,
            owner=owner,
            sha256=hashlib.sha256(f"{owner}/{name}".encode()).hexdigest(),
            size_bytes=7,
            filename=f"{name}.mp4",
            asset_id=name,
        )
        assets.set_collection(connection, name, collection)
    return name


def make_passages(
    texts: Sequence[str],
    *,
    track: PassageTrack = SPEECH,
    language: str = "en",
    speaker: str = "",
) -> list[Passage]:
    return [
        Passage(number, track, number * 10_000, (number + 1) * 10_000, words, language, speaker)
        for number, words in enumerate(texts)
    ]


def tell(
    database: Database,
    asset_id: str,
    texts: Sequence[str],
    *,
    track: PassageTrack = SPEECH,
    language: str = "en",
    speaker: str = "",
) -> list[str]:
    """Store these passages of a video and return their ids."""
    passages = make_passages(texts, track=track, language=language, speaker=speaker)
    with database.begin() as connection:
        return save_passages(connection, asset_id, track, passages)


def make_vector(words: str, dimension: int = DIMENSION) -> NDArray[np.float32]:
    """The same vector of length one for the same text."""
    seed = int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big")
    vector = np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)
    return vector / np.linalg.norm(vector)


def begin_model(
    database: Database, name: str = "tiny", *, dimension: int = DIMENSION, space: str = "text"
) -> EmbeddingModel:
    with database.begin() as connection:
        return models.register_model(
            connection,
            space=space,
            name=name,
            revision="r1",
            dimension=dimension,
            tracks=[*PassageTrack],
        )


def fill(database: Database, model: EmbeddingModel, *, batch_size: int = 3) -> int:
    return vectors.fill_model(
        database,
        model.id,
        lambda batch: [make_vector(one.text, model.dimension) for one in batch],
        batch_size=batch_size,
    )


def activate(database: Database, model: EmbeddingModel) -> EmbeddingModel:
    models.build_index(database, model)
    with database.begin() as connection:
        return models.activate_model(connection, model.id)


@contextmanager
def write_to(database: Database, model: EmbeddingModel) -> Iterator[None]:
    """Keep a transaction open that writes to the model's vectors: a build waits for its end."""
    with database.begin() as connection:
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        connection.exec_driver_sql(f"LOCK TABLE {model.partition} IN ROW EXCLUSIVE MODE")
        yield


def read_index(database: Database, model: EmbeddingModel) -> tuple[int, bool] | None:
    """Return the id of a model's index and whether it is valid."""
    query = text(
        "SELECT CAST(indexrelid AS bigint), indisvalid FROM pg_index "
        "WHERE indexrelid = to_regclass(:name)"
    )
    with database.begin() as connection:
        row = connection.execute(query, {"name": model.index}).first()
    return None if row is None else (row[0], row[1])


def forget_models(database: Database) -> None:
    """Drop every model with its vectors, and the tables of their dimensions."""
    with database.begin() as connection:
        connection.execute(text("UPDATE embedding_model SET state = 'retired'"))
        dropped = models.drop_retired(connection)
        for dimension in {model.dimension for model in dropped}:
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS embedding_{dimension}")


@contextmanager
def without_models(database: Database) -> Iterator[Database]:
    forget_models(database)
    yield database
    forget_models(database)


def mention(name: str, kind: EntityKind = EntityKind.PERSON, *, start_ms: int = 0) -> Mention:
    return Mention(name, kind, Modality.SPEECH, start_ms, start_ms + 900, TextSpan(0, len(name)))


def relation(subject: str, predicate: str, object_: str, **changes: Any) -> Relation:
    return Relation(
        subject, predicate, object_, RelationKind.STATED, 0, 900, TextSpan(0, 9), **changes
    )


def save(database: Database, asset_id: str, evidence: Sequence[PassageEvidence]) -> None:
    with database.begin() as connection:
        save_evidence(connection, asset_id, Modality.SPEECH, evidence)


def make_findings(label: str = "car") -> list[Finding]:
    box = PictureBox(0.1, 0.2, 0.3, 0.4)
    return [
        Finding(0, 40, label, 0.75, box, 1, {"sharpness": 3.5}),
        Finding(12_000, 13_000, "Person"),
    ]


def find_things(database: Database, asset_id: str, label: str = "car") -> sets.FindingSet:
    """Store findings of objects in a video, active."""
    with database.begin() as connection:
        found = sets.open_set(connection, asset_id, FindingKind.OBJECT, MODEL, "params")
        sets.save_part(connection, found.id, 0, make_findings(label))
        sets.activate_set(connection, found.id)
    return found


def ingest(database: Database, asset_id: str, texts: Sequence[str], people: Sequence[str]) -> None:
    """Store everything that is known of a video in which all of these people negotiate."""
    ids = tell(database, asset_id, texts)
    find_things(database, asset_id)
    evidence = [
        PassageEvidence(
            one,
            [mention(name) for name in people],
            [relation(people[0], "negotiate with", people[-1])],
        )
        for one in ids
    ]
    save(database, asset_id, evidence)
    thing = SceneObject("car", 1, 0, 40, 0.75)
    near = SceneRelation(0, "left of", 1, 0, 40, None)
    with database.begin() as connection:
        save_scenes(connection, asset_id, [Scene(0, 900, [thing, thing], [near])])
        conversation = conversations.create_conversation(connection, "ann")
        turn = conversations.Turn("Who?", "Who negotiates?", f"{people[0]} does.")
        conversations.add_turn(connection, conversation, "ann", turn, asset_ids=[asset_id])


def read_everything(database: Database) -> dict[str, list[str]]:
    """All rows of all tables as text, without what no two databases have in common.

    Those are times, and the ids of conversations and merges, which are drawn or counted.
    """
    left_out = ("created_at", "used_at", "applied_at", "undone_at", "words")
    content = {}
    with database.begin() as connection:
        partitions = connection.execute(
            text("SELECT relid::text FROM pg_partition_tree('embedding_8') WHERE isleaf")
        ).scalars()
        for table in (*TABLES, *partitions):
            numbered = ("id",) if table in {"merge_log", "conversation"} else ()
            drawn = ("conversation_id",)
            rows = connection.execute(
                text(f"SELECT (to_jsonb(t) - CAST(:out AS text[]))::text FROM {table} AS t"),
                {"out": [*left_out, *numbered, *drawn]},
            ).scalars()
            content[table] = sorted(rows)
    return content
