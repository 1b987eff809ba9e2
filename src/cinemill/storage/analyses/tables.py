"""The tables of analyses as SQLAlchemy sees them. The migrations create them.

Their names are plural, unlike those of other tables: people query them by SQL, under the names that
they know from the systems that they come from.
"""

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
    Identity,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from cinemill.storage.tables import metadata

_NOW = text("clock_timestamp()")
_EMPTY = text("''")
_ZERO = text("0")
_FALSE = text("false")
_EMPTY_OBJECT = text("'{}'::jsonb")
_EMPTY_LIST = text("'[]'::jsonb")
_VERDICTS = (
    "('likely_manipulated', 'no_manipulation_found', 'inconclusive', 'no_face', 'no_model',"
    " 'failed')"
)


def _moment(name: str) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=_NOW)


def _analysis_id(**options: Any) -> Column[Any]:
    key = ForeignKey("analyses.id", ondelete="CASCADE")
    return Column("analysis_id", Text, key, nullable=False, **options)


def _box(*, is_set: bool) -> tuple[Column[Any], ...]:
    names = ("box_left", "box_top", "box_width", "box_height")
    return tuple(Column(name, Double, nullable=not is_set) for name in names)


def _newest(name: str, *columns: str) -> Index:
    return Index(name, *columns, text("created_at DESC"), text("id DESC"))


analyses = Table(
    "analyses",
    metadata,
    Column("id", Text, primary_key=True),
    Column("asset_id", Text, ForeignKey("asset.id", ondelete="CASCADE")),
    Column("owner", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    Column("is_fast", Boolean, nullable=False, server_default=_FALSE),
    Column("step_key", Text, nullable=False, server_default=_EMPTY),
    Column("verdict", Text),
    Column("reviewed_verdict", Text),
    Column("needs_review", Boolean, nullable=False, server_default=_FALSE),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("error_hint", Text),
    _moment("created_at"),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    Column("expires_at", DateTime(timezone=True)),
    CheckConstraint(
        "created_at BETWEEN '0002-01-01Z' AND '9999-01-01Z'"
        " AND expires_at BETWEEN '0002-01-01Z' AND '9999-01-01Z'",
        name="analyses_times_check",
    ),
    CheckConstraint(
        "state IN ('pending', 'running', 'completed', 'failed', 'cancelled')",
        name="analyses_state_check",
    ),
    CheckConstraint(f"verdict IN {_VERDICTS}", name="analyses_verdict_check"),
    CheckConstraint(f"reviewed_verdict IN {_VERDICTS}", name="analyses_reviewed_verdict_check"),
    _newest("analyses_created_at_idx"),
    _newest("analyses_asset_idx", "asset_id"),
    _newest("analyses_owner_idx", "owner"),
    _newest("analyses_state_idx", "state"),
    _newest("analyses_verdict_idx", "verdict"),
    Index(
        "analyses_step_key_idx",
        "step_key",
        text("created_at DESC"),
        postgresql_where=text("state = 'completed'"),
    ),
    Index("analyses_review_queue_idx", "created_at", "id", postgresql_where=text("needs_review")),
    Index("analyses_expires_at_idx", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
)

analysis_results = Table(
    "analysis_results",
    metadata,
    _analysis_id(primary_key=True),
    Column("verdict", Text, nullable=False),
    Column("score", Double),
    Column("reasons", JSONB, nullable=False, server_default=_EMPTY_LIST),
    Column("face_count", Integer, nullable=False, server_default=_ZERO),
    Column("versions", JSONB, nullable=False, server_default=_EMPTY_OBJECT),
    Column("report", JSONB, nullable=False, server_default=_EMPTY_OBJECT),
    _moment("created_at"),
    CheckConstraint("score BETWEEN 0 AND 1", name="analysis_results_score_check"),
)

frame_scores = Table(
    "frame_scores",
    metadata,
    _analysis_id(primary_key=True),
    Column("time_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("pts", BigInteger, nullable=False),
    Column("face_number", Integer, nullable=False, server_default=_ZERO),
    Column("score", Double),
    Column("exclusion", Text, nullable=False, server_default=_EMPTY),
    *_box(is_set=False),
    Column("member_scores", JSONB, nullable=False, server_default=_EMPTY_OBJECT),
    CheckConstraint("score BETWEEN 0 AND 1", name="frame_scores_score_check"),
    CheckConstraint("(score IS NULL) = (exclusion <> '')", name="frame_scores_exclusion_check"),
)

suspicious_regions = Table(
    "suspicious_regions",
    metadata,
    _analysis_id(primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("face_number", Integer, nullable=False, server_default=_ZERO),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("score", Double, nullable=False),
    *_box(is_set=True),
    Column("evidence", JSONB),
    CheckConstraint("score BETWEEN 0 AND 1", name="suspicious_regions_score_check"),
    CheckConstraint("start_ms >= 0 AND end_ms > start_ms", name="suspicious_regions_times_check"),
)

analysis_metrics = Table(
    "analysis_metrics",
    metadata,
    _analysis_id(primary_key=True),
    Column("processing_seconds", Double, nullable=False),
    Column("stage_seconds", JSONB, nullable=False, server_default=_EMPTY_OBJECT),
    Column("confidence", Double),
    Column("frame_count", Integer, nullable=False),
    Column("cache_hit", Boolean, nullable=False),
    Column("device", Text, nullable=False, server_default=_EMPTY),
    _moment("measured_at"),
    CheckConstraint("confidence BETWEEN 0 AND 1", name="analysis_metrics_confidence_check"),
    Index("analysis_metrics_measured_at_idx", "measured_at"),
)

analysis_reviews = Table(
    "analysis_reviews",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _analysis_id(),
    Column("action", Text, nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("model_verdict", Text, nullable=False),
    Column("model_score", Double),
    Column("verdict", Text),
    _moment("created_at"),
    CheckConstraint(
        "action IN ('flag', 'accept', 'override')", name="analysis_reviews_action_check"
    ),
    CheckConstraint("(verdict IS NULL) = (action = 'flag')", name="analysis_reviews_verdict_check"),
    Index("analysis_reviews_analysis_idx", "analysis_id", "id"),
)
