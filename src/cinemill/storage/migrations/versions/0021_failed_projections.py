"""When a filled collection turned out to differ from PostgreSQL: the next one waits for a while."""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.execute("ALTER TABLE vector_projection ADD COLUMN failed_at timestamptz")


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
