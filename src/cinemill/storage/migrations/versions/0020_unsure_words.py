"""Which words of a passage a speech model was unsure of; unknown for passages from before."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.execute("ALTER TABLE passage ADD COLUMN unsure_words text[]")


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
