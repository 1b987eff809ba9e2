"""What scripts of other systems need: jobs that wait, deadlines, and views for their queries.

A job may wait for others (a chain, a chord), until a time (``eta``), and give up at one
(``expires``). People come with SQL over ``processing_jobs`` and ``videos``: counts by status, jobs
that take too long, seconds by type. The views only read; jobs are changed through the service.
"""

from __future__ import annotations

from alembic import op

revision = "0033"
down_revision = "0032"

WAITING = """
ALTER TABLE job ADD COLUMN due_at timestamptz;
ALTER TABLE job ADD COLUMN expires_at timestamptz;
CREATE INDEX job_due_idx ON job (due_at) WHERE due_at IS NOT NULL AND state = 'pending';
CREATE INDEX job_expires_idx ON job (expires_at)
    WHERE expires_at IS NOT NULL AND state = 'pending';
CREATE TABLE job_wait (
    job_id text PRIMARY KEY REFERENCES job (id) ON DELETE CASCADE,
    call jsonb NOT NULL,
    created_at timestamptz DEFAULT clock_timestamp() NOT NULL
);
-- No foreign key to the job that is waited for: it may be submitted a moment later.
CREATE TABLE job_dependency (
    job_id text REFERENCES job (id) ON DELETE CASCADE,
    depends_on text,
    position integer NOT NULL,
    PRIMARY KEY (job_id, depends_on)
);
CREATE INDEX job_dependency_depends_on_idx ON job_dependency (depends_on);
"""

JOBS = """
CREATE VIEW processing_jobs AS
SELECT job.id, job.asset_id AS video_id, job.kind AS job_type, job.state AS status, job.priority,
       job.id AS celery_task_id, job.queued_at, job.started_at, job.finished_at AS completed_at,
       job.queued_at AS created_at,
       coalesce(job.finished_at, job.started_at, job.queued_at) AS updated_at,
       extract(epoch FROM job.finished_at - job.started_at)::float8 AS duration_seconds,
       job.progress, job.worker, job.result AS result_data,
       job.failure ->> 'message' AS error_message, job.failure ->> 'code' AS error_code,
       job.cancel_reason, job.params, job.owner
FROM job
"""

# A frame rate is stored as a fraction, '30000/1001', and a duration of 0 means that it is unknown.
VIDEOS = """
CREATE VIEW videos AS
SELECT asset.id, asset.filename, asset.size_bytes AS file_size, asset.sha256,
       CASE WHEN proxy.sha256 IS NOT NULL THEN 'ready'
            WHEN last.state IN ('pending', 'running') THEN 'processing'
            WHEN last.state = 'failed' THEN 'failed'
            ELSE 'uploaded' END AS status,
       nullif((asset.media #>> '{video,display_width}')::int, 0) AS width,
       nullif((asset.media #>> '{video,display_height}')::int, 0) AS height,
       CASE WHEN asset.media #>> '{video,fps}' ~ '^[1-9][0-9]*(/[1-9][0-9]*)?$'
            THEN split_part(asset.media #>> '{video,fps}', '/', 1)::float8
                 / coalesce(nullif(split_part(asset.media #>> '{video,fps}', '/', 2), ''), '1'
                           )::float8
       END AS fps,
       nullif((asset.media ->> 'duration_seconds_from_header')::float8, 0) AS duration,
       nullif(asset.media #>> '{video,codec}', '') AS codec,
       'objects/' || left(proxy.sha256, 2) || '/' || substr(proxy.sha256, 3, 2) || '/'
           || proxy.sha256 AS proxy_path,
       'objects/' || left(thumbnail.sha256, 2) || '/' || substr(thumbnail.sha256, 3, 2) || '/'
           || thumbnail.sha256 AS thumbnail_path,
       asset.created_at, coalesce(proxy.created_at, asset.created_at) AS updated_at,
       asset.owner, asset.collection
FROM asset
LEFT JOIN LATERAL (
    SELECT sha256, created_at FROM artifact WHERE asset_id = asset.id AND kind = 'proxy'
    ORDER BY created_at DESC LIMIT 1) AS proxy ON true
LEFT JOIN LATERAL (
    SELECT sha256 FROM artifact WHERE asset_id = asset.id AND kind IN ('thumbnail', 'poster')
    ORDER BY kind = 'thumbnail' DESC, created_at DESC LIMIT 1) AS thumbnail ON true
LEFT JOIN LATERAL (
    SELECT state FROM job WHERE asset_id = asset.id ORDER BY queued_at DESC LIMIT 1
    ) AS last ON true
WHERE asset.deletion_ends IS NULL
"""


def upgrade() -> None:
    op.execute(WAITING)
    op.execute(JOBS)
    op.execute(VIDEOS)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
