"""Which runs are of a crowd: the many of one job, whose turns are spread over time."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

SCHEMA = """
ALTER TABLE run ADD COLUMN is_crowd BOOLEAN DEFAULT false NOT NULL;
ALTER TABLE run ADD COLUMN turn_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL;
UPDATE run SET turn_at = run_at WHERE state = 'queued';
DROP INDEX run_ready_idx;
CREATE INDEX run_ready_idx ON run (queue, owner, priority DESC, turn_at)
    WHERE state = 'queued' AND published_at IS NULL;
"""


def upgrade() -> None:
    op.execute(SCHEMA)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
