"""Findings of speech: transcripts and their utterances with words."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

SCHEMA = """
CREATE TABLE transcript (
    id TEXT NOT NULL,
    asset_id TEXT NOT NULL,
    step_key TEXT NOT NULL,
    model TEXT NOT NULL,
    model_revision TEXT NOT NULL,
    language TEXT NOT NULL,
    task TEXT NOT NULL,
    facts JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT transcript_asset_step_key UNIQUE (asset_id, step_key),
    CONSTRAINT transcript_task_check CHECK (task IN ('transcribe', 'translate')),
    FOREIGN KEY(asset_id) REFERENCES asset (id) ON DELETE CASCADE
);
CREATE INDEX transcript_step_key_idx ON transcript (step_key);
CREATE TABLE utterance (
    transcript_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    start_ms BIGINT NOT NULL,
    end_ms BIGINT NOT NULL,
    text TEXT NOT NULL,
    words JSONB DEFAULT '[]'::jsonb NOT NULL,
    PRIMARY KEY (transcript_id, position),
    CONSTRAINT utterance_times_check CHECK (start_ms >= 0 AND end_ms >= start_ms),
    FOREIGN KEY(transcript_id) REFERENCES transcript (id) ON DELETE CASCADE
);
"""


def upgrade() -> None:
    op.execute(SCHEMA)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
