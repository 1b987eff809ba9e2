"""The tables of the knowledge graph as SQLAlchemy sees them. The migrations create them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from cinemill.storage.tables import metadata

_EMPTY = text("''")
_FALSE = text("false")
_MODALITIES = "modality IN ('speech', 'text', 'picture')"


def _asset_id() -> Column[Any]:
    key = ForeignKey("asset.id", ondelete="CASCADE")
    return Column("asset_id", Text, key, primary_key=True)


def _key(name: str, kind: type[Integer] | type[Text] = Integer) -> Column[Any]:
    return Column(name, kind, primary_key=True, autoincrement=False)


def _entity_id(name: str) -> Column[Any]:
    return Column(name, Uuid, ForeignKey("entity.id"), nullable=False)


def _passage_id() -> Column[Any]:
    return Column("passage_id", Uuid, ForeignKey("passage.id", ondelete="SET NULL"))


def _times() -> tuple[Column[Any], ...]:
    return tuple(Column(name, BigInteger, nullable=False) for name in ("start_ms", "end_ms"))


def _span() -> tuple[Column[Any], ...]:
    return tuple(Column(name, Integer) for name in ("span_start", "span_end"))


def _flag(name: str) -> Column[Any]:
    return Column(name, Boolean, nullable=False, server_default=_FALSE)


entity = Table(
    "entity",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("merged_into", Uuid, ForeignKey("entity.id", ondelete="SET NULL")),
    Column("canonical_id", Uuid, nullable=False),
    UniqueConstraint("owner", "kind", "key", name="entity_owner_kind_key"),
    CheckConstraint("merged_into <> id", name="entity_merged_check"),
    Index("entity_canonical_idx", "canonical_id"),
    Index(
        "entity_merged_into_idx", "merged_into", postgresql_where=text("merged_into IS NOT NULL")
    ),
    Index(
        "entity_key_trigram_idx",
        "key",
        postgresql_using="gin",
        postgresql_ops={"key": "gin_trgm_ops"},
    ),
)

mention = Table(
    "mention",
    metadata,
    _asset_id(),
    _key("modality", Text),
    _key("number"),
    _entity_id("entity_id"),
    _passage_id(),
    Column("name", Text, nullable=False),
    *_times(),
    *_span(),
    Column("confidence", Double),
    _flag("is_inferred"),
    CheckConstraint(_MODALITIES, name="mention_modality_check"),
    Index("mention_entity_idx", "entity_id", "passage_id"),
    Index("mention_passage_idx", "passage_id", "entity_id"),
)

relation_evidence = Table(
    "relation_evidence",
    metadata,
    _asset_id(),
    _key("modality", Text),
    _key("number"),
    _entity_id("subject_id"),
    Column("predicate", Text, nullable=False),
    _entity_id("object_id"),
    Column("subject_name", Text, nullable=False),
    Column("object_name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    _passage_id(),
    *_times(),
    *_span(),
    _flag("is_negated"),
    _flag("is_possible"),
    Column("according_to", Text, nullable=False, server_default=_EMPTY),
    Column("confidence", Double),
    CheckConstraint(_MODALITIES, name="relation_evidence_modality_check"),
    CheckConstraint(
        "kind IN ('stated', 'inferred', 'co-occurrence', 'spatial')",
        name="relation_evidence_kind_check",
    ),
    Index("relation_evidence_subject_idx", "subject_id"),
    Index("relation_evidence_object_idx", "object_id"),
    Index("relation_evidence_passage_idx", "passage_id"),
)

merge_log = Table(
    "merge_log",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("source_id", Uuid, ForeignKey("entity.id", ondelete="CASCADE"), nullable=False),
    Column("target_id", Uuid, ForeignKey("entity.id", ondelete="CASCADE"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("score", Double),
    Column("decided_by", Text, nullable=False),
    Column(
        "applied_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=text("clock_timestamp()"),
    ),
    Column("undone_at", DateTime(timezone=True)),
    Column("undone_by", Text),
    CheckConstraint("(undone_at IS NULL) = (undone_by IS NULL)", name="merge_log_undone_check"),
    Index(
        "merge_log_applied_idx",
        "source_id",
        unique=True,
        postgresql_where=text("undone_at IS NULL"),
    ),
    Index("merge_log_owner_idx", "owner", "id"),
    Index("merge_log_source_idx", "source_id"),
    Index("merge_log_target_idx", "target_id"),
)

scene = Table("scene", metadata, _asset_id(), _key("shot"), *_times())

scene_object = Table(
    "scene_object",
    metadata,
    _key("asset_id", Text),
    _key("shot"),
    _key("number"),
    Column("label", Text, nullable=False),
    Column("track", Integer),
    *_times(),
    Column("confidence", Double),
    ForeignKeyConstraint(
        ("asset_id", "shot"),
        ("scene.asset_id", "scene.shot"),
        name="scene_object_scene_fkey",
        ondelete="CASCADE",
    ),
    Index("scene_object_label_idx", "label", "asset_id", "shot"),
)

_SCENE_OBJECT = ("scene_object.asset_id", "scene_object.shot", "scene_object.number")

scene_relation = Table(
    "scene_relation",
    metadata,
    _key("asset_id", Text),
    _key("shot"),
    _key("subject"),
    _key("predicate", Text),
    _key("object"),
    Column("start_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("confidence", Double),
    ForeignKeyConstraint(
        ("asset_id", "shot", "subject"),
        _SCENE_OBJECT,
        name="scene_relation_subject_fkey",
        ondelete="CASCADE",
    ),
    ForeignKeyConstraint(
        ("asset_id", "shot", "object"),
        _SCENE_OBJECT,
        name="scene_relation_object_fkey",
        ondelete="CASCADE",
    ),
    Index("scene_relation_object_idx", "asset_id", "shot", "object"),
)
