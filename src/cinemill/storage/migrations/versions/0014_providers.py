"""Analyses by services: how far each is, and what they cost."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"

TABLES = """
CREATE TABLE provider_call (
    key text PRIMARY KEY,
    asset_id text NOT NULL REFERENCES asset (id) ON DELETE CASCADE,
    provider text NOT NULL,
    is_asked boolean NOT NULL DEFAULT false,
    ticket jsonb,
    restarts integer NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX provider_call_asset_idx ON provider_call (asset_id);
CREATE TABLE provider_cost (
    key text PRIMARY KEY,
    owner text NOT NULL,
    asset_id text REFERENCES asset (id) ON DELETE SET NULL,
    provider text NOT NULL,
    day date NOT NULL,
    micros bigint NOT NULL CHECK (micros >= 0),
    requests integer NOT NULL CHECK (requests >= 0),
    is_settled boolean NOT NULL DEFAULT false,
    reserved_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX provider_cost_asset_idx ON provider_cost (asset_id);
CREATE INDEX provider_cost_day_idx ON provider_cost (day, provider);
"""


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
