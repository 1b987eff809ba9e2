"""What a turn of the relay reads is in one index, in the order in which it looks.

A turn looks for owners from where the last one stopped, the most urgent priority first; so the
index begins with queue, priority and owner.

The index of running runs has no column that a heartbeat changes, so that a renewal of a lease
writes one row and no index. Jobs that ended are found by the time when they did.

Ids begin with the time, so that the rows of jobs that are worked on one after the other share the
pages of indexes, which PostgreSQL logs as a whole when they change.
"""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"

STATEMENTS = """
CREATE FUNCTION make_id() RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT lpad(to_hex(made.ticks % 4294967296), 8, '0') || substr(made.random, 9, 5) || '-8'
           || substr(made.random, 16)
    FROM (SELECT floor(extract(epoch FROM clock_timestamp()) * 4000)::bigint,
                 gen_random_uuid()::text) AS made (ticks, random)
$$;

DROP INDEX run_ready_idx;
CREATE INDEX run_ready_idx ON run (queue, priority DESC, owner, is_crowd, turn)
    WHERE state = 'queued' AND published_at IS NULL AND delay_ends IS NULL;
DROP INDEX run_lease_idx;
CREATE INDEX run_running_idx ON run (queue) WHERE state = 'running';
CREATE INDEX artifact_kind_idx ON artifact (kind, created_at);
CREATE INDEX job_finished_idx ON job (finished_at) WHERE finished_at IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
