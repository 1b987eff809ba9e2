"""The tables of projections as SQLAlchemy sees them. The migrations create them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)

from cinemill.storage.tables import metadata

vector_projection = Table(
    "vector_projection",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("model_id", Integer, ForeignKey("embedding_model.id", ondelete="SET NULL")),
    Column("collection", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'filling'")),
    Column("filled_to", Uuid),
    Column("job_id", Text, nullable=False, server_default=text("''")),
    Column(
        "created_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=text("clock_timestamp()"),
    ),
    Column("failed_at", DateTime(timezone=True)),
    CheckConstraint(
        "state IN ('filling', 'ready', 'retired')", name="vector_projection_state_check"
    ),
    Index(
        "vector_projection_state_idx",
        "model_id",
        "state",
        unique=True,
        postgresql_where=text("state <> 'retired'"),
    ),
)

vector_change = Table(
    "vector_change",
    metadata,
    Column(
        "model_id",
        Integer,
        ForeignKey("embedding_model.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("passage_id", Uuid, primary_key=True),
    Column("version", BigInteger, Identity(always=True), nullable=False),
)
