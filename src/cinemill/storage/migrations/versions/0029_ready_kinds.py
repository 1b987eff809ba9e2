"""Ready runs are also found by their kind.

While the rate of a kind is used up, a turn reads the other kinds alone. It used to read all that
waited of the kind to find what was behind it.
"""

from __future__ import annotations

from alembic import op

revision = "0029"
down_revision = "0028"

STATEMENT = """
CREATE INDEX run_ready_kind_idx ON run (queue, priority DESC, kind, owner, is_crowd, turn)
    WHERE state = 'queued' AND published_at IS NULL AND delay_ends IS NULL
"""


def upgrade() -> None:
    op.execute(STATEMENT)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
