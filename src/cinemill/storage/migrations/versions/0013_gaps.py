"""What could not be found out about a video, and why."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"

TABLES = """
CREATE TABLE finding_gap (
    asset_id text NOT NULL REFERENCES asset (id) ON DELETE CASCADE,
    subject text NOT NULL,
    code text NOT NULL,
    message text NOT NULL,
    hint text NOT NULL DEFAULT '',
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (asset_id, subject)
);
"""


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
