"""A job knows which job submitted it, and a cancelled one whether its children must still follow.

A batch was cancelled in one transaction and each of its children in another; where the process
died in between, the children went on and nothing in the rows said that they should not.
"""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0023"

COLUMNS = """
ALTER TABLE job ADD COLUMN parent_id text,
    ADD COLUMN must_cancel_children boolean NOT NULL DEFAULT false;
CREATE INDEX job_parent_idx ON job (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX job_must_cancel_idx ON job (id) WHERE must_cancel_children;
"""
BATCHES = """
SELECT id, jsonb_array_length(coalesce(params -> 'jobs', params -> 'assets')) AS children
FROM job WHERE state IN ('pending', 'running')
  AND kind IN ('batch_render', 'batch_process_videos')
  AND jsonb_typeof(coalesce(params -> 'jobs', params -> 'assets')) = 'array'
"""


def upgrade() -> None:
    op.execute(COLUMNS)
    connection = op.get_bind()
    for batch in connection.execute(sa.text(BATCHES)).all():
        # As they were named when this was written.
        children = [str(uuid5(NAMESPACE_URL, f"{batch.id}/{n}")) for n in range(batch.children)]
        connection.execute(
            sa.text("UPDATE job SET parent_id = :id WHERE id = ANY(:children)"),
            {"id": batch.id, "children": children},
        )


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
