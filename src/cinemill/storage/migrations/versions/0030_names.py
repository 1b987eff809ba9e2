"""A job keeps the name of the video that it was submitted with, an asset all its names.

The same bytes are one asset. A user who uploaded them under another name found the first one.
"""

from __future__ import annotations

from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.execute("ALTER TABLE job ADD COLUMN filename TEXT NOT NULL DEFAULT ''")
    op.execute("ALTER TABLE asset ADD COLUMN other_names JSONB NOT NULL DEFAULT '[]'")


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
