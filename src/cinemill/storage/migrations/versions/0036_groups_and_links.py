"""What Celery's results know besides a job: the groups that clients saved, and links.

A job that follows another one, as its link or as the next in a chain, is among the children of its
result. A saved group is no more than the ids of its jobs.
"""

from __future__ import annotations

from alembic import op

revision = "0036"
down_revision = "0035"

LINKS = """
-- Without a foreign key: the job that is followed may be deleted first.
ALTER TABLE job ADD COLUMN follows text;
CREATE INDEX job_follows_idx ON job (follows) WHERE follows IS NOT NULL;
"""
GROUPS = """
CREATE TABLE saved_group (
    id text PRIMARY KEY,
    result jsonb NOT NULL,
    saved_at timestamptz DEFAULT clock_timestamp() NOT NULL
);
CREATE INDEX saved_group_saved_at_idx ON saved_group (saved_at);
"""


def upgrade() -> None:
    op.execute(LINKS)
    op.execute(GROUPS)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
