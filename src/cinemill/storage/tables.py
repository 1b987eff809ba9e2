"""The tables as SQLAlchemy sees them. The migrations create them; a test compares the two."""

from __future__ import annotations

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
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

_NOW = text("clock_timestamp()")
_EMPTY = text("''")
_ZERO = text("0")
_EMPTY_OBJECT = text("'{}'::jsonb")
_EMPTY_LIST = text("'[]'::jsonb")


def _timestamp(name: str, *, is_set: bool = False) -> Column[object]:
    if is_set:
        return Column(name, DateTime(timezone=True), nullable=False, server_default=_NOW)
    return Column(name, DateTime(timezone=True))


def _counter(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=_ZERO)


asset = Table(
    "asset",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("filename", Text, nullable=False),
    Column("media", JSONB),
    _timestamp("created_at", is_set=True),
    Column("collection", Text, nullable=False, server_default=_EMPTY),
    Column("other_names", JSONB, nullable=False, server_default=_EMPTY_LIST),
    # On the engine's clock.
    Column("deletion_ends", Double),
    UniqueConstraint("owner", "sha256", name="asset_owner_sha256_key"),
    Index("asset_sha256_idx", "sha256"),
    Index("asset_created_at_idx", "created_at", "id"),
    Index(
        "asset_deletion_idx",
        "deletion_ends",
        postgresql_where=text("deletion_ends IS NOT NULL"),
    ),
)

artifact = Table(
    "artifact",
    metadata,
    Column("id", Text, primary_key=True),
    Column("asset_id", Text, ForeignKey("asset.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("variant", Text, nullable=False, server_default=_EMPTY),
    Column("step_key", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("filename", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("facts", JSONB, nullable=False, server_default=_EMPTY_OBJECT),
    _timestamp("created_at", is_set=True),
    UniqueConstraint("asset_id", "kind", "variant", name="artifact_asset_kind_variant_key"),
    Index("artifact_step_key_idx", "step_key"),
    Index("artifact_kind_idx", "kind", "created_at"),
    Index("artifact_sha256_idx", "sha256"),
)

transcript = Table(
    "transcript",
    metadata,
    Column("id", Text, primary_key=True),
    Column("asset_id", Text, ForeignKey("asset.id", ondelete="CASCADE"), nullable=False),
    Column("step_key", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("model_revision", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("facts", JSONB, nullable=False, server_default=_EMPTY_OBJECT),
    _timestamp("created_at", is_set=True),
    CheckConstraint("task IN ('transcribe', 'translate')", name="transcript_task_check"),
    UniqueConstraint("asset_id", "step_key", name="transcript_asset_step_key"),
    Index("transcript_step_key_idx", "step_key"),
)

utterance = Table(
    "utterance",
    metadata,
    Column(
        "transcript_id", Text, ForeignKey("transcript.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    Column("words", JSONB, nullable=False, server_default=_EMPTY_LIST),
    CheckConstraint("start_ms >= 0 AND end_ms >= start_ms", name="utterance_times_check"),
)

job = Table(
    "job",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    Column("priority", SmallInteger, nullable=False),
    Column("asset_id", Text, ForeignKey("asset.id", ondelete="SET NULL")),
    Column("params", JSONB, nullable=False, server_default=_EMPTY_OBJECT),
    Column("idempotency_key", Text),
    Column("request_digest", Text, nullable=False),
    Column("progress", Double, nullable=False, server_default=_ZERO),
    Column("stage", Text, nullable=False, server_default=_EMPTY),
    Column("message", Text, nullable=False, server_default=_EMPTY),
    Column("result", JSONB),
    Column("failure", JSONB),
    _timestamp("cancel_requested_at"),
    Column("cancel_reason", Text),
    Column("worker", Text),
    _timestamp("queued_at", is_set=True),
    _timestamp("started_at"),
    _timestamp("finished_at"),
    Column("announced", Boolean, nullable=False, server_default=text("false")),
    # Without a foreign key: children outlive the job that submitted them.
    Column("parent_id", Text),
    Column("must_cancel_children", Boolean, nullable=False, server_default=text("false")),
    Column("filename", Text, nullable=False, server_default=_EMPTY),
    _timestamp("due_at"),
    _timestamp("expires_at"),
    Column("time_limit_seconds", Double),
    Column("work_done", Double, nullable=False, server_default=_ZERO),
    _timestamp("expected_end"),
    Column("follows", Text),
    CheckConstraint("priority BETWEEN 0 AND 10", name="job_priority_check"),
    UniqueConstraint("owner", "idempotency_key", name="job_owner_idempotency_key"),
    Index("job_queued_at_idx", text("queued_at DESC"), text("id DESC")),
    Index("job_state_idx", "state", text("queued_at DESC")),
    Index("job_owner_idx", "owner", text("queued_at DESC")),
    Index("job_asset_idx", "asset_id", text("queued_at DESC")),
    Index("job_finished_idx", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
    Index(
        "job_unannounced_idx",
        "finished_at",
        postgresql_where=text("NOT announced AND state <> 'running'"),
    ),
    Index(
        "job_cancelling_idx",
        "cancel_requested_at",
        postgresql_where=text(
            "state IN ('pending', 'running') AND cancel_requested_at IS NOT NULL"
        ),
    ),
    Index("job_parent_idx", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
    Index("job_follows_idx", "follows", postgresql_where=text("follows IS NOT NULL")),
    Index("job_must_cancel_idx", "id", postgresql_where=text("must_cancel_children")),
    Index(
        "job_due_idx",
        "due_at",
        postgresql_where=text("due_at IS NOT NULL AND state = 'pending'"),
    ),
    Index(
        "job_expires_idx",
        "expires_at",
        postgresql_where=text("expires_at IS NOT NULL AND state = 'pending'"),
    ),
)

job_wait = Table(
    "job_wait",
    metadata,
    Column("job_id", Text, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
    Column("call", JSONB, nullable=False),
    _timestamp("created_at", is_set=True),
)

job_dependency = Table(
    "job_dependency",
    metadata,
    Column("job_id", Text, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
    Column("depends_on", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Index("job_dependency_depends_on_idx", "depends_on"),
)

saved_group = Table(
    "saved_group",
    metadata,
    Column("id", Text, primary_key=True),
    Column("result", JSONB, nullable=False),
    _timestamp("saved_at", is_set=True),
    Index("saved_group_saved_at_idx", "saved_at"),
)

job_quotation = Table(
    "job_quotation",
    metadata,
    Column("job_id", Text, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
    Column("asset_id", Text, ForeignKey("asset.id", ondelete="CASCADE"), primary_key=True),
    Index("job_quotation_asset_idx", "asset_id"),
)

step = Table(
    "step",
    metadata,
    Column("id", Text, primary_key=True),
    Column("job_id", Text, ForeignKey("job.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("hardware", Text),
    Column("state", Text, nullable=False),
    Column("params", JSONB, nullable=False, server_default=_EMPTY_OBJECT),
    Column("weight", Double, nullable=False, server_default=text("1")),
    _counter("deps_remaining"),
    _counter("attempts"),
    _counter("failures"),
    _counter("crashes"),
    Column("max_failures", Integer, nullable=False),
    Column("max_crashes", Integer, nullable=False),
    Column("progress", Double, nullable=False, server_default=_ZERO),
    Column("seconds", Double, nullable=False, server_default=_ZERO),
    Column("result", JSONB),
    Column("failure", JSONB),
    _timestamp("started_at"),
    _timestamp("finished_at"),
    UniqueConstraint("job_id", "name", name="step_job_name_key"),
    Index("step_dead_idx", "finished_at", postgresql_where=text("state = 'dead'")),
)

step_dependency = Table(
    "step_dependency",
    metadata,
    Column("step_id", Text, ForeignKey("step.id", ondelete="CASCADE"), primary_key=True),
    Column("depends_on", Text, ForeignKey("step.id", ondelete="CASCADE"), primary_key=True),
    Index("step_dependency_depends_on_idx", "depends_on"),
)

run = Table(
    "run",
    metadata,
    Column("id", Text, primary_key=True),
    Column("step_id", Text, ForeignKey("step.id", ondelete="CASCADE"), nullable=False),
    Column("job_id", Text, ForeignKey("job.id", ondelete="CASCADE"), nullable=False),
    Column("owner", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("hardware", Text),
    Column("priority", SmallInteger, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'queued'")),
    Column("attempt", Integer, nullable=False),
    _timestamp("queued_at", is_set=True),
    _timestamp("run_at", is_set=True),
    _timestamp("published_at"),
    _counter("publish_count"),
    Column("token", Text),
    Column("worker", Text),
    _timestamp("lease_until"),
    _timestamp("started_at"),
    _timestamp("ended_at"),
    Column("failure", JSONB),
    Column("peak_memory_bytes", BigInteger),
    Column("is_crowd", Boolean, nullable=False, server_default=text("false")),
    Column("turn", BigInteger, Identity(), nullable=False),
    Column("delay_seconds", Double),
    Column("delay_ends", Double),
    Column("published_seconds", Double, nullable=False, server_default=_ZERO),
    Index(
        "run_ready_idx",
        "queue",
        text("priority DESC"),
        "owner",
        "is_crowd",
        "turn",
        postgresql_where=text("state = 'queued' AND published_at IS NULL AND delay_ends IS NULL"),
    ),
    Index(
        "run_ready_kind_idx",
        "queue",
        text("priority DESC"),
        "kind",
        "owner",
        "is_crowd",
        "turn",
        postgresql_where=text("state = 'queued' AND published_at IS NULL AND delay_ends IS NULL"),
    ),
    Index(
        "run_delayed_idx",
        "delay_ends",
        postgresql_where=text("state = 'queued' AND delay_ends IS NOT NULL"),
    ),
    Index(
        "run_published_idx",
        "queue",
        "published_at",
        postgresql_where=text("state = 'queued' AND published_at IS NOT NULL"),
    ),
    Index(
        "run_hardware_idx",
        "hardware",
        "queue",
        postgresql_where=text("state = 'queued' AND hardware IS NOT NULL"),
    ),
    # No column that a heartbeat changes: a renewed lease writes one row and no index.
    Index("run_running_idx", "queue", postgresql_where=text("state = 'running'")),
    # One live attempt at a step at a time: the database itself forbids a second.
    Index(
        "run_live_step_idx",
        "step_id",
        unique=True,
        postgresql_where=text("state IN ('queued', 'running')"),
    ),
    Index("run_ended_idx", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
    Index("run_step_idx", "step_id"),
    Index("run_job_idx", "job_id"),
)

engine_clock = Table(
    "engine_clock",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("seconds", Double, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    Column("calendar", DateTime(timezone=True), nullable=False),
    _counter("jumps"),
    Column("jump_seconds", Double),
    _timestamp("jumped_at"),
    Column("behind_since", Double),
    CheckConstraint("id = 1", name="engine_clock_id_check"),
)

orphan = Table(
    "orphan",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("identity", Text, nullable=False),
    _timestamp("noted_at", is_set=True),
)

hardware_encoder = Table(
    "hardware_encoder",
    metadata,
    Column("node", Text, primary_key=True),
    Column("encoder", Text, primary_key=True),
    Column("codec", Text, nullable=False),
    _timestamp("seen_at", is_set=True),
    _counter("failures"),
    _counter("rests"),
    _timestamp("rests_until"),
    Column("reason", Text, nullable=False, server_default=_EMPTY),
)

dead_message = Table(
    "dead_message",
    metadata,
    Column("id", Text, primary_key=True),
    Column("queue", Text, nullable=False),
    Column("task", Text, nullable=False, server_default=_EMPTY),
    Column("task_id", Text, nullable=False, server_default=_EMPTY),
    Column("failure", JSONB, nullable=False),
    Column("excerpt", Text, nullable=False, server_default=_EMPTY),
    Column("size_bytes", BigInteger, nullable=False),
    _timestamp("received_at", is_set=True),
    Index("dead_message_received_at_idx", text("received_at DESC"), text("id DESC")),
)
