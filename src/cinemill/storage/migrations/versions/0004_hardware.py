"""Which workers encode in hardware, and which work requests them."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

SCHEMA = """
ALTER TABLE step ADD COLUMN hardware TEXT;
ALTER TABLE run ADD COLUMN hardware TEXT;
CREATE INDEX run_hardware_idx ON run (hardware) WHERE state = 'queued' AND hardware IS NOT NULL;
CREATE TABLE hardware_encoder (
    node TEXT NOT NULL,
    encoder TEXT NOT NULL,
    codec TEXT NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    failures INTEGER DEFAULT 0 NOT NULL,
    rests INTEGER DEFAULT 0 NOT NULL,
    rests_until TIMESTAMP WITH TIME ZONE,
    reason TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (node, encoder)
);
"""


def upgrade() -> None:
    op.execute(SCHEMA)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
