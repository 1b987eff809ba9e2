"""How much memory each try took."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"

SCHEMA = "ALTER TABLE run ADD COLUMN peak_memory_bytes BIGINT"


def upgrade() -> None:
    op.execute(SCHEMA)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
