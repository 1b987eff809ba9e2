"""When an asset is to be deleted, on the engine's clock: until then that can be undone."""

from __future__ import annotations

from alembic import op

revision = "0032"
down_revision = "0031"

STATEMENT = """
ALTER TABLE asset ADD COLUMN deletion_ends double precision;
CREATE INDEX asset_deletion_idx ON asset (deletion_ends) WHERE deletion_ends IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(STATEMENT)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
