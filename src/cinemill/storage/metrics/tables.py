"""The tables of totals as SQLAlchemy sees them. The migrations create them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Numeric,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from cinemill.storage.tables import metadata

metric_total = Table(
    "metric_total",
    metadata,
    Column("metric", Text, primary_key=True),
    Column("labels", ARRAY(Text), primary_key=True),
    Column("bucket", SmallInteger, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
    Column("sum", Numeric, nullable=False),
)

metric_watermark = Table(
    "metric_watermark",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column(
        "counted_until",
        DateTime(timezone=True),
        nullable=False,
        server_default=text("clock_timestamp()"),
    ),
    CheckConstraint("id = 1", name="metric_watermark_id_check"),
)
