"""How long each step of a job may work, where the call that made it said so."""

from __future__ import annotations

from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    op.execute("ALTER TABLE job ADD COLUMN time_limit_seconds double precision")


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
