"""Runs that request hardware are found by the queue they are in, not only by what they request.

The relay looks in each turn for those that must be moved. Without the queue in the index it read
all that wait, and most of them are where they belong.
"""

from __future__ import annotations

from alembic import op

revision = "0027"
down_revision = "0026"

STATEMENTS = """
DROP INDEX run_hardware_idx;
CREATE INDEX run_hardware_idx ON run (hardware, queue)
    WHERE state = 'queued' AND hardware IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
