"""Since when the calendar has been behind the database's clock, so that this comes to an end.

A machine that started in 1970 for a minute would otherwise keep everything for decades.
"""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    op.execute("ALTER TABLE engine_clock ADD COLUMN behind_since double precision")


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
