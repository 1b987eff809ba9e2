"""The tables of analyses by services as SQLAlchemy sees them. The migrations create them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from cinemill.storage.tables import metadata

_FALSE = text("false")
_NOW = text("clock_timestamp()")

provider_call = Table(
    "provider_call",
    metadata,
    Column("key", Text, primary_key=True),
    Column("asset_id", Text, ForeignKey("asset.id", ondelete="CASCADE"), nullable=False),
    Column("provider", Text, nullable=False),
    Column("is_asked", Boolean, nullable=False, server_default=_FALSE),
    Column("ticket", JSONB),
    Column("restarts", Integer, nullable=False, server_default=text("0")),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Index("provider_call_asset_idx", "asset_id"),
)

provider_cost = Table(
    "provider_cost",
    metadata,
    Column("key", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("asset_id", Text, ForeignKey("asset.id", ondelete="SET NULL")),
    Column("provider", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("micros", BigInteger, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("is_settled", Boolean, nullable=False, server_default=_FALSE),
    Column("reserved_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    CheckConstraint("micros >= 0", name="provider_cost_micros_check"),
    CheckConstraint("requests >= 0", name="provider_cost_requests_check"),
    Index("provider_cost_asset_idx", "asset_id"),
    Index("provider_cost_day_idx", "day", "provider"),
)
