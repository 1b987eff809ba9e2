"""Messages of the broker that became no job: put aside with the reason, for a person to read."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

SCHEMA = """
CREATE TABLE dead_message (
    id text PRIMARY KEY,
    queue text NOT NULL,
    task text NOT NULL DEFAULT '',
    task_id text NOT NULL DEFAULT '',
    failure jsonb NOT NULL,
    excerpt text NOT NULL DEFAULT '',
    size_bytes bigint NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX dead_message_received_at_idx ON dead_message (received_at DESC, id DESC);
"""


def upgrade() -> None:
    op.execute(SCHEMA)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
