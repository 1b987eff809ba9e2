"""Runs by when they ended: what was done of late is asked for often, and the past is long."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

SCHEMA = """
CREATE INDEX run_ended_idx ON run (ended_at) WHERE ended_at IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(SCHEMA)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
