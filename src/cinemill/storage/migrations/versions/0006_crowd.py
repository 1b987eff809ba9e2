"""Which runs are of a crowd: the many of one job, which let others' first ones by."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

SCHEMA = """
ALTER TABLE run ADD COLUMN is_crowd BOOLEAN DEFAULT false NOT NULL;
DROP INDEX run_ready_idx;
CREATE INDEX run_ready_idx ON run (queue, owner, priority DESC, is_crowd, run_at)
    WHERE state = 'queued' AND published_at IS NULL;
"""


def upgrade() -> None:
    op.execute(SCHEMA)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
