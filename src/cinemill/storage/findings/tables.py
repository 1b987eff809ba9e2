"""The tables of findings as SQLAlchemy sees them. The migrations create them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from cinemill.storage.tables import metadata

_EMPTY = text("''")
_NOW = text("clock_timestamp()")


def _key(name: str) -> Column[Any]:
    return Column(name, Integer, primary_key=True, autoincrement=False)


finding_set = Table(
    "finding_set",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("asset_id", Text, ForeignKey("asset.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("revision", Text, nullable=False, server_default=_EMPTY),
    Column("version", Integer, nullable=False),
    Column("params_digest", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'filling'")),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    CheckConstraint("state IN ('filling', 'active')", name="finding_set_state_check"),
    Index("finding_set_asset_idx", "asset_id", "kind"),
    Index(
        "finding_set_active_idx",
        "asset_id",
        "kind",
        unique=True,
        postgresql_where=text("state = 'active'"),
    ),
)

finding = Table(
    "finding",
    metadata,
    Column("set_id", Uuid, ForeignKey("finding_set.id", ondelete="CASCADE"), primary_key=True),
    _key("part"),
    _key("number"),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("label", Text, nullable=False),
    Column("label_key", Text, nullable=False),
    Column("confidence", Double),
    *(Column(name, Double) for name in ("box_left", "box_top", "box_width", "box_height")),
    Column("track", Integer),
    Column("details", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    CheckConstraint("start_ms >= 0 AND end_ms > start_ms", name="finding_times_check"),
    CheckConstraint("confidence BETWEEN 0 AND 1", name="finding_confidence_check"),
    Index("finding_time_idx", "set_id", "start_ms", "part", "number"),
    Index("finding_label_idx", "label_key", "set_id", "start_ms"),
)

finding_gap = Table(
    "finding_gap",
    metadata,
    Column("asset_id", Text, ForeignKey("asset.id", ondelete="CASCADE"), primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("hint", Text, nullable=False, server_default=_EMPTY),
    Column("noted_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
)
